package main

import (
	"fmt"
	"time"
)

// responses say how requests are answered in mode "serve". A response has the counter of its request.
type responses struct {
	// That of the request when it is not said.
	Size *int `json:"size"`
	// How often; once when it is not said.
	Times       *int `json:"times"`
	DelayMillis int  `json:"delayMillis"`
	// Another stream to send it on.
	On *uint64 `json:"on"`
}

func (s *stream) serve(request *message, mode mode) {
	s.note("requests", request.payload, true)
	if mode.Mode != "serve" {
		return
	}
	o, through := mode.Responses, s.channel
	if o.On != nil {
		other, err := streams.find(*o.On)
		if err != nil {
			return
		}
		through = other.channel
	}
	payload := fill(counter(request.payload), or(o.Size, len(request.payload)))
	respond := func() {
		for range or(o.Times, 1) {
			request.respond(through, payload)
		}
	}
	if o.DelayMillis > 0 {
		time.AfterFunc(millis(o.DelayMillis, 0), respond)
	} else {
		respond()
	}
}

// request sends messages that each allow one response.
func request(_ uint64, o struct {
	sendOptions
	// Of a response.
	MaxSize int `json:"maxSize"`
	// From the moment on at which the request is given to the host.
	ExpiryMillis int `json:"expiryMillis"`
}) (answer, error) {
	s, err := streams.find(o.Stream)
	if err != nil {
		return nil, err
	}
	modern, is := s.channel.(modernChannel)
	if !is {
		return nil, fmt.Errorf("a Stream has no requests")
	}
	return s.each(o.sendOptions, func(payload []byte) {
		modern.request(payload, o.MaxSize, time.Now().Add(millis(o.ExpiryMillis, 10_000)))
	}), nil
}
