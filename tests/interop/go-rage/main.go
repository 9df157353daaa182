// Package main runs hosts of libocr's ragep2p, as the other end of the interop tests.
//
//	peer            obeys commands, one JSON object a line on stdin, until stdin closes
//	peer vectors    prints what libocr puts on the wire, for the seeds of the vectors
//
// A command has an `id`, a number, and a `do`, the name of one of the functions in `commands`. Its options are the
// fields of the struct that the function takes. The answer is one line on stdout with that `id`: {"id":1,"event":"done"}
// and more fields, or {"id":1,"event":"failed","message":"..."}. Commands run side by side: wait for the answer of one
// before giving another that needs it. What a host logs from `warn` on goes to stderr.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// answer is what a command has to tell.
type answer map[string]any

// commands has what can be done. Hosts and streams are named by the number in the answer that made them: the `id` of
// the command.
var commands = map[string]func(id uint64, options []byte) (answer, error){
	"host":         command(openHost),
	"addresses":    command(setAddresses),
	"group":        command(addGroup),
	"removeGroup":  command(removeGroup),
	"closeHost":    command(closeHost),
	"metrics":      command(metrics),
	"stream":       command(openStream),
	"send":         command(send),
	"request":      command(request),
	"mode":         command(setMode),
	"updateLimits": command(updateLimits),
	"stats":        command(stats),
	"wait":         command(wait),
	"close":        command(closeStream),
	"bench":        command(bench),
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "vectors" {
		vectors()
		return
	}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var head struct {
			ID uint64 `json:"id"`
			Do string `json:"do"`
		}
		check(json.Unmarshal(line, &head))
		do := commands[head.Do]
		go func() {
			var answered answer
			err := fmt.Errorf("there is no command %q", head.Do)
			if do != nil {
				answered, err = do(head.ID, line)
			}
			say(head.ID, answered, err)
		}()
	}
}

// command reads the options of one.
func command[O any](do func(uint64, O) (answer, error)) func(uint64, []byte) (answer, error) {
	return func(id uint64, line []byte) (answer, error) {
		var options O
		if err := json.Unmarshal(line, &options); err != nil {
			return nil, err
		}
		return do(id, options)
	}
}

var stdout = struct {
	sync.Mutex
	*json.Encoder
}{Encoder: json.NewEncoder(os.Stdout)}

func say(id uint64, answered answer, err error) {
	line := answer{"id": id, "event": "done"}
	if err != nil {
		line["event"], line["message"] = "failed", err.Error()
	} else {
		for name, value := range answered {
			line[name] = value
		}
	}
	stdout.Lock()
	defer stdout.Unlock()
	check(stdout.Encode(line))
}

// registry has the hosts, or the streams, by their number.
type registry[T any] struct {
	sync.Mutex
	kind string
	all  map[uint64]T
}

func (r *registry[T]) add(number uint64, value T) {
	r.Lock()
	defer r.Unlock()
	if r.all == nil {
		r.all = map[uint64]T{}
	}
	r.all[number] = value
}

func (r *registry[T]) find(number uint64) (T, error) {
	r.Lock()
	defer r.Unlock()
	value, known := r.all[number]
	if !known {
		return value, fmt.Errorf("there is no %s %d", r.kind, number)
	}
	return value, nil
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
