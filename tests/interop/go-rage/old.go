package main

import (
	"fmt"

	"github.com/smartcontractkit/libocr/ragep2p"
)

// oldHost is one of package ragep2p.
type oldHost struct{ *ragep2p.Host }

// oldStream is one of its streams.
type oldStream struct{ *ragep2p.Stream }

var errClosed = fmt.Errorf("the stream is closed")

func newOld(s setUp) (running, error) {
	config := ragep2p.HostConfig{DurationBetweenDials: s.pause}
	h, err := ragep2p.NewHost(config, s.keys, s.listen, s.discoverer, s.log, s.gauge)
	return oldHost{h}, err
}

func (h oldHost) open(o streamOptions) (channel, error) {
	if o.Priority != "" {
		return nil, fmt.Errorf("v1 has no Stream2")
	}
	l := o.limits.all()
	s, err := h.NewStream(o.Peer, o.Name, l.outBuf, l.inBuf, l.maxMessage, l.messages, l.bytes)
	return oldStream{s}, err
}

func (s oldStream) send(payload []byte) { s.SendMessage(payload) }

func (s oldStream) take(stop <-chan struct{}) (*message, error) {
	return plainMessage(s.ReceiveMessages(), stop)
}

// plainMessage takes one of a stream that has no other.
func plainMessage(messages <-chan []byte, stop <-chan struct{}) (*message, error) {
	select {
	case payload, open := <-messages:
		if !open {
			return nil, errClosed
		}
		return &message{kind: "messages", payload: payload}, nil
	case <-stop:
		return nil, nil
	}
}
