package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/smartcontractkit/libocr/commontypes"
)

// logger writes what is worth a warning to stderr, with the peer id of the host.
type logger struct{ peer string }

func (logger) Trace(string, commontypes.LogFields) {}
func (logger) Debug(string, commontypes.LogFields) {}
func (logger) Info(string, commontypes.LogFields)  {}

func (l logger) Warn(text string, fields commontypes.LogFields)  { l.write("warn", text, fields) }
func (l logger) Error(text string, fields commontypes.LogFields) { l.write("error", text, fields) }
func (l logger) Critical(text string, fields commontypes.LogFields) {
	l.write("critical", text, fields)
}

func (l logger) write(level, text string, fields commontypes.LogFields) {
	plain := map[string]string{}
	for name, value := range fields {
		plain[name] = fmt.Sprint(value)
	}
	line, err := json.Marshal(map[string]any{"level": level, "host": l.peer, "message": text, "fields": plain})
	check(err)
	// One write a line, so that lines of several hosts do not mix.
	os.Stderr.Write(append(line, '\n'))
}
