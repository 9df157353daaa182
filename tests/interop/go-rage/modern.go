//go:build ignore

// Package ragep2pnew is not in every libocr. Where it is, the harness names the files of the program, this one and not
// no_modern.go. A tag of its own would let `go mod tidy` look for the package in those that lack it.

package main

import (
	"fmt"
	"time"

	"github.com/smartcontractkit/libocr/ragep2p/ragep2pnew"
)

const hasModern = true

// modernHost is one of package ragep2pnew.
type modernHost struct{ *ragep2pnew.Host }

// plainStream is one of its streams that has no requests.
type plainStream struct{ *ragep2pnew.Stream }

// requestStream is one of its streams that has them.
type requestStream struct{ ragep2pnew.Stream2 }

func newModern(s setUp) (running, error) {
	config := ragep2pnew.HostConfig{DurationBetweenDials: s.pause}
	h, err := ragep2pnew.NewHost(config, s.keys, s.listen, s.discoverer, s.log, s.gauge)
	return modernHost{h}, err
}

func (h modernHost) open(o streamOptions) (channel, error) {
	l := o.limits.all()
	var priority ragep2pnew.StreamPriority
	switch o.Priority {
	case "":
		s, err := h.NewStream(o.Peer, o.Name, l.outBuf, l.inBuf, l.maxMessage, l.messages, l.bytes)
		return plainStream{s}, err
	case "low":
		priority = ragep2pnew.StreamPriorityLow
	case "default":
		priority = ragep2pnew.StreamPriorityDefault
	default:
		return nil, fmt.Errorf("there is no priority %q", o.Priority)
	}
	s, err := h.NewStream2(o.Peer, o.Name, priority, l.modern())
	return requestStream{s}, err
}

func (l allLimits) modern() ragep2pnew.Stream2Limits {
	return ragep2pnew.Stream2Limits{
		MaxOutgoingBufferedMessages: l.outBuf,
		MaxIncomingBufferedMessages: l.inBuf,
		MaxMessageLength:            l.maxMessage,
		MessagesLimit:               l.messages,
		BytesLimit:                  l.bytes,
	}
}

func (s plainStream) send(payload []byte) { s.SendMessage(payload) }

func (s plainStream) take(stop <-chan struct{}) (*message, error) {
	return plainMessage(s.ReceiveMessages(), stop)
}

func (s requestStream) send(payload []byte) {
	s.Send(ragep2pnew.OutboundBinaryMessagePlain{Payload: payload})
}

func (s requestStream) take(stop <-chan struct{}) (*message, error) {
	select {
	case received, open := <-s.Receive():
		if !open {
			return nil, errClosed
		}
		switch received := received.(type) {
		case ragep2pnew.InboundBinaryMessageRequest:
			respond := func(on channel, payload []byte) {
				if on, is := on.(requestStream); is {
					on.Send(received.RequestHandle.MakeResponse(payload))
				}
			}
			return &message{"requests", received.Payload, respond}, nil
		case ragep2pnew.InboundBinaryMessageResponse:
			return &message{kind: "responses", payload: received.Payload}, nil
		case ragep2pnew.InboundBinaryMessagePlain:
			return &message{kind: "messages", payload: received.Payload}, nil
		}
		return nil, fmt.Errorf("there is no message of type %T", received)
	case <-stop:
		return nil, nil
	}
}

func (s requestStream) request(payload []byte, maxSize int, expiry time.Time) {
	policy := &ragep2pnew.SingleUseSizedLimitedResponsePolicy{MaxSize: maxSize, ExpiryTimestamp: expiry}
	s.Send(ragep2pnew.OutboundBinaryMessageRequest{ResponsePolicy: policy, Payload: payload})
}

func (s requestStream) updateLimits(l allLimits) error { return s.UpdateLimits(l.modern()) }
