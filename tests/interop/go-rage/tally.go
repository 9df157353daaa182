package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"time"
)

// fill makes the message with that counter: its 8 bytes, big-endian, and then byte i is (counter + i) mod 251. One that
// is shorter has the low bytes of the counter.
func fill(counter uint64, size int) []byte {
	var head [8]byte
	binary.BigEndian.PutUint64(head[:], counter)
	if size < len(head) {
		return head[len(head)-size:]
	}
	message := make([]byte, size)
	copy(message, head[:])
	value := (counter + 8) % 251
	for i := 8; i < size; i++ {
		message[i] = byte(value)
		if value++; value == 251 {
			value = 0
		}
	}
	return message
}

// counter is that of a message.
func counter(message []byte) uint64 {
	var head [8]byte
	if len(message) < len(head) {
		copy(head[len(head)-len(message):], message)
	} else {
		copy(head[:], message)
	}
	return binary.BigEndian.Uint64(head[:])
}

// tally is what a stream received of one kind.
type tally struct {
	Count uint64 `json:"count"`
	Bytes uint64 `json:"bytes"`
	// What is noted: the counters in the order of arrival. Those of messages under 8 bytes are cut short.
	Counters []uint64 `json:"counters"`
	// The first noted message that is altered, comes twice, or behind a later one.
	Wrong string `json:"wrong,omitempty"`

	last uint64
	seen map[uint64]bool
}

// tallies are those of a stream: "messages", "requests" and "responses".
type tallies struct {
	guard sync.Mutex
	kinds map[string]*tally
	// Closed at each change.
	change chan struct{}
}

func newTallies() tallies {
	kinds := map[string]*tally{}
	for _, kind := range []string{"messages", "requests", "responses"} {
		kinds[kind] = &tally{Counters: []uint64{}, seen: map[uint64]bool{}}
	}
	return tallies{kinds: kinds, change: make(chan struct{})}
}

// note counts one, and looks at it when all are to be noted. How many there were comes back.
func (t *tallies) note(kind string, payload []byte, all bool) uint64 {
	t.guard.Lock()
	defer t.guard.Unlock()
	of := t.kinds[kind]
	of.Count++
	of.Bytes += uint64(len(payload))
	if all {
		of.look(payload)
	}
	close(t.change)
	t.change = make(chan struct{})
	return of.Count
}

func (t *tally) look(payload []byte) {
	number := counter(payload)
	wrong := func(how string) {
		if t.Wrong == "" {
			t.Wrong = fmt.Sprintf("message %d of %d bytes, counter %d, %s", t.Count, len(payload), number, how)
		}
	}
	switch {
	case !bytes.Equal(payload, fill(number, len(payload))):
		wrong("is altered")
	case len(payload) < 8:
	case t.seen[number]:
		wrong("comes twice")
	case len(t.seen) > 0 && number < t.last:
		wrong(fmt.Sprintf("comes behind %d", t.last))
	}
	if len(payload) >= 8 {
		t.seen[number], t.last = true, number
	}
	t.Counters = append(t.Counters, number)
}

func stats(_ uint64, o struct {
	Stream uint64 `json:"stream"`
}) (answer, error) {
	s, err := streams.find(o.Stream)
	if err != nil {
		return nil, err
	}
	told, _ := s.tell("messages", 0)
	return told, nil
}

// wait answers as stats does, when so much is there or the time is over; "reached" tells which.
func wait(_ uint64, o struct {
	Stream uint64 `json:"stream"`
	// "messages" when it is not said.
	Kind   string `json:"kind"`
	Count  uint64 `json:"count"`
	Millis int    `json:"millis"`
}) (answer, error) {
	s, err := streams.find(o.Stream)
	if err != nil {
		return nil, err
	}
	if o.Kind == "" {
		o.Kind = "messages"
	}
	if s.kinds[o.Kind] == nil {
		return nil, fmt.Errorf("there is no kind %q", o.Kind)
	}
	over := time.After(millis(o.Millis, 10_000))
	for {
		told, change := s.tell(o.Kind, o.Count)
		if told["reached"] == true {
			return told, nil
		}
		select {
		case <-change:
		case <-over:
			return told, nil
		}
	}
}

func (t *tallies) tell(kind string, count uint64) (answer, <-chan struct{}) {
	t.guard.Lock()
	defer t.guard.Unlock()
	told := answer{"reached": t.kinds[kind].Count >= count}
	for name, of := range t.kinds {
		copied := *of
		// What is appended later leaves what is there as it is.
		told[name] = copied
	}
	return told, t.change
}
