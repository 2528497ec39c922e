package smtpc

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/sesame-mta/sesame/mail"
)

// Message is what one transaction sends: the envelope, a header section with
// the empty line after it, and the octets of Body from BodyAt up to Size.
// Lines end in CRLF; the client sends them as they are or not at all.
type Message struct {
	From     mail.ReversePath
	To       []mail.ForwardPath
	EightBit bool // there are octets above 127
	Header   []byte
	Body     io.ReaderAt
	BodyAt   int64
	Size     int64
}

// Verdict is what a transaction came to for one recipient.
type Verdict int

// The verdicts.
const (
	Accepted  Verdict = iota + 1 // 2xx to the whole message
	Settled                      // the reply stands, 4xx or 5xx
	Again                        // too many recipients: ask the same host in another transaction
	Elsewhere                    // this host does not serve now: another may
	Lost                         // all was sent, and then the connection ended: nobody knows
)

// String gives the name of the verdict.
func (v Verdict) String() string {
	switch v {
	case Accepted:
		return "accepted"
	case Settled:
		return "settled"
	case Again:
		return "again"
	case Elsewhere:
		return "elsewhere"
	case Lost:
		return "lost"
	}
	return "unknown"
}

// Answer is what a transaction came to for one recipient.
type Answer struct {
	Verdict Verdict
	Reply   mail.Reply
	Remote  bool // Reply came over the wire
}

var (
	errUnclean = errors.New("content has a bare CR, a bare LF or a NUL")
	errShort   = errors.New("content is shorter than its size")
)

// content is a message on its way out. A body that fits is read at once.
type content struct {
	m       *Message
	body    []byte // the whole body, when small
	small   bool
	unended bool // the final CRLF is missing
}

// load looks at the end of the message and reads a small body into buf.
func (x *content) load(m *Message, buf []byte) error {
	x.m = m
	n := m.Size - m.BodyAt
	switch {
	case n < 0:
		return errShort
	case n == 0:
		x.small = true
		x.unended = !bytes.HasSuffix(m.Header, crlf)
	case n <= int64(len(buf)):
		x.body, x.small = buf[:n], true
		if err := readFull(m.Body, x.body, m.BodyAt); err != nil {
			return err
		}
		x.unended = !bytes.HasSuffix(x.body, crlf)
	case n > int64(len(buf)):
		var end [2]byte
		if err := readFull(m.Body, end[:], m.Size-2); err != nil {
			return err
		}
		x.unended = !bytes.Equal(end[:], crlf)
	}
	if !x.small {
		return nil
	}
	// What can be known before the first command need not spoil a connection.
	var lines lineCheck
	return errors.Join(lines.add(m.Header), lines.add(x.body), lines.end())
}

// octets counts what goes out, before dots are stuffed (RFC 1870 section 3).
func (x *content) octets() int64 {
	n := int64(len(x.m.Header)) + x.m.Size - x.m.BodyAt
	if x.unended {
		n += 2
	}
	return n
}

// each gives the message piece by piece to f. A piece lives until f returns.
func (x *content) each(buf []byte, f func([]byte) error) error {
	var lines lineCheck
	step := func(p []byte) error {
		if !x.small { // a small message was looked at when it was loaded
			if err := lines.add(p); err != nil {
				return err
			}
		}
		return f(p)
	}
	if err := step(x.m.Header); err != nil {
		return err
	}
	if x.small {
		if err := step(x.body); err != nil {
			return err
		}
	} else {
		for at := x.m.BodyAt; at < x.m.Size; {
			p := buf[:min(int64(len(buf)), x.m.Size-at)]
			if err := readFull(x.m.Body, p, at); err != nil {
				return err
			}
			if err := step(p); err != nil {
				return err
			}
			at += int64(len(p))
		}
	}
	if x.unended {
		if err := step(crlf); err != nil {
			return err
		}
	}
	return lines.end()
}

func readFull(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return errShort
	}
	return fmt.Errorf("read content: %w", err)
}

var crlf = []byte("\r\n")

// lineCheck finds bare CR, bare LF and NUL. They never leave the house, since
// hosts differ on whether they end a line (RFC 5321 section 2.3.8), or a text.
type lineCheck struct{ cr bool }

func (l *lineCheck) add(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if l.cr {
		if p[0] != '\n' {
			return errUnclean
		}
		l.cr, p = false, p[1:]
	}
	if n := len(p); n > 0 && p[n-1] == '\r' {
		l.cr, p = true, p[:n-1]
	}
	// Every LF has a CR before it, and there are no other CRs.
	n := 0
	for rest := p; ; n++ {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		if i == 0 || rest[i-1] != '\r' {
			return errUnclean
		}
		rest = rest[i+1:]
	}
	if bytes.Count(p, crlf[:1]) != n || bytes.IndexByte(p, 0) >= 0 {
		return errUnclean
	}
	return nil
}

func (l *lineCheck) end() error {
	if l.cr {
		return errUnclean
	}
	return nil
}

// dots puts a second dot before the first of a line (RFC 5321 section 4.5.2),
// and changes nothing else.
type dots struct {
	inside bool // not at the start of a line
	put    func([]byte)
}

var dot = []byte(".")

func (d *dots) add(p []byte) {
	if len(p) == 0 {
		return
	}
	if !d.inside && p[0] == '.' {
		d.put(dot)
	}
	d.inside = p[len(p)-1] != '\n'
	for {
		i := bytes.Index(p, lineDot)
		if i < 0 {
			d.put(p)
			return
		}
		d.put(p[:i+1])
		d.put(dot)
		p = p[i+1:]
	}
}

var lineDot = []byte("\n.")
