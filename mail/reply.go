package mail

import (
	"strconv"
	"strings"
)

// MaxReplyLine is the longest line of a reply in octets, line end included
// (RFC 5321 section 4.5.3.1.5).
const MaxReplyLine = 512

// Reply is an SMTP reply as a value: ours to a client, or a remote host's to us.
// As an error it travels unchanged from where it was decided to the client, the
// DSN, the event and the log; look for it with errors.As.
type Reply struct {
	Code   int // 200 to 599
	Status Status
	Text   string // without the status; lines parted by "\n"
	// Bare keeps Status off the wire: the recorded texts of SES carry none.
	Bare bool
	// Cause is for the log only and never shown to a stranger.
	Cause error `json:"-"`
}

// Refuse makes a refusal of ours. The class of the status is that of the code:
// Refuse(554, 7, 1, …) is 554 5.7.1.
func Refuse(code, subject, detail int, text string) *Reply {
	return &Reply{Code: code, Status: Status{code / 100, subject, detail}, Text: text}
}

// Recorded makes a reply whose text goes out without the status, as SES sends it.
func Recorded(code, subject, detail int, text string) *Reply {
	r := Refuse(code, subject, detail, text)
	r.Bare = true
	return r
}

// WithCause gives a copy that remembers err for the log.
func (r *Reply) WithCause(err error) *Reply {
	c := *r
	c.Cause = err
	return &c
}

// Temporary reports whether trying again may help: anything but a 5xx.
func (r *Reply) Temporary() bool { return r.Code/100 != 5 }

// Positive reports whether the reply is a 2xx.
func (r *Reply) Positive() bool { return r.Code/100 == 2 }

// String gives code, status and text on one line, for people.
func (r *Reply) String() string {
	b := make([]byte, 0, 128) // stays on the stack when it is enough
	if r.Code != 0 {
		b = strconv.AppendInt(b, int64(r.Code), 10)
	}
	if !r.Status.IsZero() {
		b = r.Status.append(between(b))
	}
	if r.Text != "" {
		b = append(between(b), strings.ReplaceAll(r.Text, "\n", " ")...)
	}
	return string(b)
}

// between puts a blank behind what is there.
func between(b []byte) []byte {
	if len(b) > 0 {
		b = append(b, ' ')
	}
	return b
}

// Error makes a Reply an error.
func (r *Reply) Error() string {
	if r.Cause != nil {
		return r.String() + ": " + r.Cause.Error()
	}
	return r.String()
}

// Unwrap gives the private cause.
func (r *Reply) Unwrap() error { return r.Cause }

// Wire appends the reply as it goes to a client, every line with its code and,
// unless Bare, its status (RFC 2034 section 4), ended by CRLF. Octets outside
// printable ASCII become question marks; no line exceeds MaxReplyLine.
func (r *Reply) Wire(buf []byte) []byte {
	for rest, more := r.Text, true; more; {
		var line string
		line, rest, more = strings.Cut(rest, "\n")
		buf = strconv.AppendInt(buf, int64(r.Code), 10)
		sep := byte(' ')
		if more {
			sep = '-'
		}
		start := len(buf) - 3
		buf = append(buf, sep)
		if !r.Bare && !r.Status.IsZero() {
			buf = append(r.Status.append(buf), ' ')
		}
		for j := 0; j < len(line) && len(buf)-start < MaxReplyLine-2; j++ {
			c := line[j]
			if c < ' ' || c > '~' {
				c = '?'
			}
			buf = append(buf, c)
		}
		buf = append(buf, '\r', '\n')
	}
	return buf
}
