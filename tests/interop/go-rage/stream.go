package main

import (
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/smartcontractkit/libocr/ragep2p"
	"github.com/smartcontractkit/libocr/ragep2p/types"
)

// limits are those of one stream; what is not said is generous.
type limits struct {
	OutBuf     *int                       `json:"outBuf"`
	InBuf      *int                       `json:"inBuf"`
	MaxMessage *int                       `json:"maxMessage"`
	Messages   *ragep2p.TokenBucketParams `json:"messages"`
	Bytes      *ragep2p.TokenBucketParams `json:"bytes"`
}

// allLimits leave nothing out.
type allLimits struct {
	outBuf, inBuf, maxMessage int
	messages, bytes           ragep2p.TokenBucketParams
}

func (l limits) all() allLimits {
	return allLimits{
		outBuf:     or(l.OutBuf, 1000),
		inBuf:      or(l.InBuf, 1000),
		maxMessage: or(l.MaxMessage, 1_000_000),
		messages:   or(l.Messages, ragep2p.TokenBucketParams{Rate: 1000, Capacity: 10_000}),
		bytes:      or(l.Bytes, ragep2p.TokenBucketParams{Rate: 10_000_000, Capacity: 10_000_000}),
	}
}

func or[T any](said *T, otherwise T) T {
	if said == nil {
		return otherwise
	}
	return *said
}

type streamOptions struct {
	limits
	Host uint64       `json:"host"`
	Peer types.PeerID `json:"peer"`
	Name string       `json:"name"`
	// The name in hexadecimal, where it is no text.
	NameHex string `json:"nameHex"`
	// What becomes of what it receives; "record" when it is not said.
	mode
	// "low" or "default": a Stream2. Otherwise a Stream.
	Priority string `json:"priority"`
}

// mode is what becomes of what a stream receives.
type mode struct {
	// "record": noted. "echo": noted and sent back. "count": only counted. "ack": counted, and every so often the
	// count is sent back, as the counter of a message. "serve": noted, requests are answered. "hold": not even taken
	// from the host.
	Mode      string    `json:"mode"`
	Every     uint64    `json:"every"`
	Responses responses `json:"responses"`
}

// channel is a stream of either package.
type channel interface {
	send(payload []byte)
	// take waits for the next message. None comes when there is something in the other channel.
	take(stop <-chan struct{}) (*message, error)
	Close() error
}

// message is what a stream receives.
type message struct {
	// "messages", "requests" or "responses".
	kind    string
	payload []byte
	// Answers a request, on the channel.
	respond func(channel, []byte)
}

// modernChannel is a Stream2.
type modernChannel interface {
	channel
	// request sends one that allows one response, of that size, before that time.
	request(payload []byte, maxSize int, expiry time.Time)
	updateLimits(allLimits) error
}

// stream is an open one.
type stream struct {
	channel
	changed chan struct{}
	mu      sync.Mutex
	mode    mode
	next    uint64
	tallies
}

var streams = registry[*stream]{kind: "stream"}

func openStream(id uint64, o streamOptions) (answer, error) {
	h, err := hosts.find(o.Host)
	if err != nil {
		return nil, err
	}
	if o.NameHex != "" {
		name, err := hex.DecodeString(o.NameHex)
		if err != nil {
			return nil, err
		}
		o.Name = string(name)
	}
	opened, err := h.open(o)
	if err != nil {
		return nil, err
	}
	s := &stream{channel: opened, changed: make(chan struct{}, 1), mode: o.mode, tallies: newTallies()}
	streams.add(id, s)
	go s.receive()
	return answer{"stream": id}, nil
}

// receive obeys the mode until the stream is closed.
func (s *stream) receive() {
	for {
		mode := s.currentMode()
		if mode.Mode == "hold" {
			<-s.changed
			continue
		}
		message, err := s.take(s.changed)
		switch {
		case err != nil:
			return
		case message == nil:
		case message.kind == "requests":
			s.serve(message, mode)
		case message.kind == "responses":
			s.note(message.kind, message.payload, true)
		default:
			s.plain(message.payload, mode)
		}
	}
}

func (s *stream) plain(payload []byte, mode mode) {
	switch mode.Mode {
	case "count":
		s.note("messages", payload, false)
	case "ack":
		if count := s.note("messages", payload, false); count%max(mode.Every, 1) == 0 {
			s.send(fill(count-1, 8))
		}
	case "echo":
		s.note("messages", payload, true)
		s.send(payload)
	default:
		s.note("messages", payload, true)
	}
}

func (s *stream) currentMode() mode {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mode
}

// setMode has another mode from the next message on.
func setMode(_ uint64, o struct {
	mode
	Stream uint64 `json:"stream"`
}) (answer, error) {
	s, err := streams.find(o.Stream)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.mode = o.mode
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return nil, nil
}

type sendOptions struct {
	Stream uint64 `json:"stream"`
	// One when it is not said.
	Count *uint64 `json:"count"`
	// Of each message, taken in turn; else `size`.
	Sizes []int `json:"sizes"`
	Size  int   `json:"size"`
	// The counter of the first; else what follows the last one sent.
	From *uint64 `json:"from"`
	// Between two messages.
	PauseMicros int `json:"pauseMicros"`
}

// send answers when all are given to the host.
func send(_ uint64, o sendOptions) (answer, error) {
	s, err := streams.find(o.Stream)
	if err != nil {
		return nil, err
	}
	return s.each(o, s.send), nil
}

// each makes the messages.
func (s *stream) each(o sendOptions, give func([]byte)) answer {
	count := or(o.Count, 1)
	s.mu.Lock()
	first := or(o.From, s.next)
	s.next = first + count
	s.mu.Unlock()
	for i := range count {
		size := o.Size
		if len(o.Sizes) > 0 {
			size = o.Sizes[i%uint64(len(o.Sizes))]
		}
		if i > 0 && o.PauseMicros > 0 {
			time.Sleep(time.Duration(o.PauseMicros) * time.Microsecond)
		}
		give(fill(first+i, size))
	}
	return answer{"first": first, "next": first + count}
}

func updateLimits(_ uint64, o struct {
	limits
	Stream uint64 `json:"stream"`
}) (answer, error) {
	s, err := streams.find(o.Stream)
	if err != nil {
		return nil, err
	}
	modern, is := s.channel.(modernChannel)
	if !is {
		return nil, fmt.Errorf("a Stream cannot change its limits")
	}
	return nil, modern.updateLimits(o.limits.all())
}

func closeStream(_ uint64, o struct {
	Stream uint64 `json:"stream"`
}) (answer, error) {
	s, err := streams.find(o.Stream)
	if err != nil {
		return nil, err
	}
	return nil, s.Close()
}
