package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"

	"github.com/flynn/noise"
)

const (
	rekeyAfter = 1 << 20
	frameMax   = 65535
	overhead   = 2 + 16
)

// direction is a cipher whose key is replaced after each 2^20 messages.
type direction struct{ cipher *noise.CipherState }

func (d direction) seal(text []byte) []byte {
	sealed, err := d.cipher.Encrypt(nil, nil, text)
	check(err)
	d.count()
	return sealed
}

func (d direction) open(sealed []byte) ([]byte, error) {
	text, err := d.cipher.Decrypt(nil, nil, sealed)
	if err == nil {
		d.count()
	}
	return text, err
}

func (d direction) count() {
	if d.cipher.Nonce()%rekeyAfter == 0 {
		d.cipher.Rekey()
	}
}

func (d direction) frame(text []byte) []byte {
	sealed := d.seal(text)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(sealed))), sealed...)
}

// stream is a connection after the handshake.
type stream struct {
	conn      net.Conn
	in        *bufio.Reader
	out       *bufio.Writer
	sending   direction
	receiving direction
}

func newStream(conn net.Conn, sending, receiving *noise.CipherState) *stream {
	return &stream{
		conn, bufio.NewReaderSize(conn, 1<<17), bufio.NewWriterSize(conn, 1<<17),
		direction{sending}, direction{receiving},
	}
}

func (s *stream) write(text []byte) error {
	_, err := s.out.Write(s.sending.frame(text))
	return err
}

// read gives the text of the next frame, io.EOF behind the goodbye, and io.ErrUnexpectedEOF where the stream was cut.
func (s *stream) read() ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(s.in, length[:]); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	count := int(binary.BigEndian.Uint16(length[:]))
	if count < 16 || count > frameMax-2 {
		return nil, errors.New("the length of a frame is out of bounds")
	}
	sealed, err := receive(s.in, count)
	if err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	text, err := s.receiving.open(sealed)
	if err == nil && len(text) == 0 {
		err = io.EOF
	}
	return text, err
}
