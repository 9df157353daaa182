package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// bench measures how fast messages pass a stream in mode "hold", whose other end is in mode "echo" or "ack". With a
// window of 1 and an echo it is a ping-pong. An answer with a counter confirms all up to that one.
func bench(_ uint64, o struct {
	Stream uint64 `json:"stream"`
	// How many are measured, and how many more come first.
	Count  uint64 `json:"count"`
	Warmup uint64 `json:"warmup"`
	Size   int    `json:"size"`
	// So many may be unconfirmed: at most what the buffers of both ends hold.
	Window uint64 `json:"window"`
	// How long nothing may come.
	PatienceMillis int `json:"patienceMillis"`
}) (answer, error) {
	s, err := streams.find(o.Stream)
	if err != nil {
		return nil, err
	}
	if s.currentMode().Mode != "hold" || o.Size < 8 || o.Count == 0 {
		return nil, fmt.Errorf("bench needs a stream that is on hold, messages, and 8 bytes in each")
	}
	s.mu.Lock()
	first := s.next
	total := o.Warmup + o.Count
	s.next += total
	s.mu.Unlock()

	at := make([]time.Time, total)
	latencies := make([]time.Duration, 0, o.Count)
	var begin time.Time
	for sent, confirmed := uint64(0), uint64(0); confirmed < total; {
		for ; sent < total && sent-confirmed < max(o.Window, 1); sent++ {
			message := fill(first+sent, o.Size)
			at[sent] = time.Now()
			if sent == o.Warmup {
				begin = at[sent]
			}
			s.send(message)
		}
		number, err := s.following(millis(o.PatienceMillis, 10_000))
		if err != nil {
			return nil, fmt.Errorf("%d of %d are confirmed: %w", confirmed, total, err)
		}
		now := time.Now()
		for ; confirmed < total && first+confirmed <= number; confirmed++ {
			if confirmed >= o.Warmup {
				latencies = append(latencies, now.Sub(at[confirmed]))
			}
		}
	}
	took := time.Since(begin)
	slices.Sort(latencies)
	percentile := func(of int) float64 {
		return float64(latencies[(len(latencies)-1)*of/100].Nanoseconds()) / 1000
	}
	return answer{
		"seconds":           took.Seconds(),
		"messagesPerSecond": float64(o.Count) / took.Seconds(),
		"bytesPerSecond":    float64(o.Count) * float64(o.Size) / took.Seconds(),
		"latencyMicros": answer{
			"min": percentile(0), "p50": percentile(50), "p90": percentile(90), "p99": percentile(99), "max": percentile(100),
		},
	}, nil
}

// following gives the counter of the next message of a stream on hold.
func (s *stream) following(patience time.Duration) (uint64, error) {
	over, done := context.WithTimeout(context.Background(), patience)
	defer done()
	message, err := s.take(over.Done())
	switch {
	case err != nil:
		return 0, err
	case message == nil:
		return 0, fmt.Errorf("nothing came for %s", patience)
	case message.kind != "messages":
		return 0, fmt.Errorf("something else than a message came")
	}
	return counter(message.payload), nil
}
