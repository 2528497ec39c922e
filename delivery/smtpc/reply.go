package smtpc

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/sesame-mta/sesame/mail"
)

// Bounds of a reply. RFC 5321 section 4.5.3.1.5 allows 512 octets a line; hosts
// that send more are common enough to be borne with.
const (
	maxReply = 64 << 10 // octets of a whole reply
	maxLine  = 1000     // octets kept of one line
)

var (
	errReplySyntax = errors.New("malformed reply")
	errReplyLength = errors.New("reply is too long")
	errUnasked     = errors.New("host hung up, or spoke unasked")
)

// ReadReply reads one reply, of however many lines. It keeps at most 1000 octets of a
// line and refuses replies over 64 KB; octets outside printable ASCII become
// question marks. An enhanced status code is taken off each line (RFC 2034
// section 4), if its class is that of the reply code.
func ReadReply(r *bufio.Reader) (mail.Reply, error) {
	var (
		reply mail.Reply
		text  strings.Builder
		total int
	)
	for n := 0; ; n++ {
		line, size, err := readLine(r, maxReply-total)
		if err != nil {
			if errors.Is(err, io.EOF) && total+size > 0 {
				err = io.ErrUnexpectedEOF
			}
			return mail.Reply{}, err
		}
		total += size
		code, more, rest, ok := cutCode(line)
		// The codes of all lines must be the same (RFC 5321 section 4.2.1).
		if !ok || n > 0 && code != reply.Code {
			return mail.Reply{}, errReplySyntax
		}
		reply.Code = code
		s := clean(rest)
		status, after := mail.CutStatus(s)
		if status.Class == code/100 {
			if n == 0 {
				reply.Status = status
			}
			if status == reply.Status {
				s = after
			}
		}
		if n == 0 && !more {
			reply.Text = s
			return reply, nil
		}
		if n > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(s)
		if !more {
			reply.Text = text.String()
			return reply, nil
		}
	}
}

// readLine reads up to a line end and gives the line without it, cut at
// maxLine, and the octets taken off the wire. The line lives until the next read.
func readLine(r *bufio.Reader, room int) (line []byte, size int, err error) {
	for {
		part, err := r.ReadSlice('\n')
		size += len(part)
		if size > room {
			return nil, size, errReplyLength
		}
		whole := err == nil
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, size, err
		}
		switch {
		case line == nil && whole:
			line = part
		case line == nil:
			line = bytes.Clone(part[:min(len(part), maxLine)])
		}
		if whole {
			line = bytes.TrimRight(line, "\r\n")
			return line[:min(len(line), maxLine)], size, nil
		}
	}
}

// cutCode takes a reply code and its separator off a line (RFC 5321 section 4.2).
func cutCode(line []byte) (code int, more bool, rest []byte, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' {
		return 0, false, nil, false
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, false, nil, false
		}
		code = code*10 + int(c-'0')
	}
	if len(line) == 3 {
		return code, false, nil, true
	}
	switch line[3] {
	case ' ':
	case '-':
		more = true
	default:
		return 0, false, nil, false
	}
	return code, more, line[4:], true
}

// clean makes the words of a stranger fit for logs, events and terminals.
func clean(b []byte) string {
	s := string(bytes.TrimSpace(b))
	dirty := func(c rune) rune {
		switch {
		case c == '\t':
			return ' '
		case c < ' ' || c > '~':
			return '?'
		}
		return c
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return strings.Map(dirty, s)
		}
	}
	return s
}
