package smtpc

import (
	"bytes"
	"strings"

	"github.com/sesame-mta/sesame/mail"
)

// Trace is told each line of a dialogue as it is said: who is one of the letters
// below. It is called from the goroutine that uses the client.
type Trace func(who byte, text string)

// Who says a line.
const (
	TraceClient = 'C' // we
	TraceServer = 'S' // the host; a reply of several lines has them parted by "\n"
	TraceNote   = '*' // nobody: what was found
)

// said tells of what goes out. Commands come in pieces and end in CRLF.
func (c *Client) said(s string) {
	if c.trace == nil {
		return
	}
	c.line = append(c.line, s...)
	if line, ok := bytes.CutSuffix(c.line, crlf); ok {
		c.trace(TraceClient, string(line))
		c.line = c.line[:0]
	}
}

// heard tells of a reply, its status back in its place.
func (c *Client) heard(r *mail.Reply) {
	if c.trace == nil {
		return
	}
	if *r != c.told { // many recipients get the same words
		first, rest, more := strings.Cut(r.Text, "\n")
		head := mail.Reply{Code: r.Code, Status: r.Status, Text: first}
		c.told, c.toldText = *r, head.String()
		if more {
			c.toldText += "\n" + rest
		}
	}
	c.trace(TraceServer, c.toldText)
}

func (c *Client) note(err error) {
	if c.trace != nil {
		c.trace(TraceNote, err.Error())
	}
}
