package main

// metrics tells all that a host counts: [{"name", "labels": {}, "value"}], or "count" and "sum" where it is a
// histogram.
func metrics(_ uint64, o struct {
	Host uint64 `json:"host"`
}) (answer, error) {
	h, err := hosts.find(o.Host)
	if err != nil {
		return nil, err
	}
	families, err := h.gauge.Gather()
	if err != nil {
		return nil, err
	}
	all := []answer{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			one := answer{"name": family.GetName(), "labels": labels}
			switch {
			case metric.Counter != nil:
				one["value"] = metric.Counter.GetValue()
			case metric.Gauge != nil:
				one["value"] = metric.Gauge.GetValue()
			case metric.Histogram != nil:
				one["count"], one["sum"] = metric.Histogram.GetSampleCount(), metric.Histogram.GetSampleSum()
				buckets := []answer{}
				for _, bucket := range metric.Histogram.GetBucket() {
					buckets = append(buckets, answer{"most": bucket.GetUpperBound(), "count": bucket.GetCumulativeCount()})
				}
				one["buckets"] = buckets
			}
			all = append(all, one)
		}
	}
	return answer{"metrics": all}, nil
}
