package smtpc

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"

	"github.com/emersion/go-sasl"

	"github.com/sesame-mta/sesame/mail"
)

// Auth says who we are, with PLAIN or else LOGIN (RFC 4954). Without TLS it
// refuses, unless Options.AuthInClear is set. After an error the connection is
// closed.
func (c *Client) Auth(ctx context.Context, user, password string) error {
	if c.tls == nil && !c.o.AuthInClear {
		return c.giveUp("Will not send a password in clear text", nil)
	}
	var mech sasl.Client
	switch {
	case slices.Contains(c.ext.Auth, sasl.Plain):
		mech = sasl.NewPlainClient("", user, password)
	case slices.Contains(c.ext.Auth, sasl.Login):
		mech = &login{answers: []string{user, password}}
	default:
		return c.giveUp("Remote host offers no usable AUTH mechanism", nil)
	}
	name, initial, err := mech.Start()
	if err != nil {
		return c.giveUp("Cannot authenticate", err)
	}
	line := "AUTH " + name
	if initial != nil {
		line += " " + base64.StdEncoding.EncodeToString(initial)
	}
	// Neither names nor passwords are for the trace, nor what they are answered.
	trace := c.trace
	c.Trace(nil)
	defer c.Trace(trace)
	defer c.watch(ctx)()
	for {
		reply, failed := c.command(ctx, c.o.Timeouts.Hello, line+"\r\n")
		switch {
		case failed != nil:
			return failed
		case reply.Positive():
			return nil
		case reply.Code != 334:
			failed = &Error{Reply: reply, Remote: true}
			c.end(failed)
			return failed
		}
		challenge, err := base64.StdEncoding.DecodeString(reply.Text)
		if err != nil {
			challenge = nil // some hosts put plain words there
		}
		answer, err := mech.Next(challenge)
		if err != nil {
			return c.giveUp("Cannot authenticate", err)
		}
		line = base64.StdEncoding.EncodeToString(answer)
	}
}

func (c *Client) giveUp(text string, cause error) *Error {
	reply := mail.Refuse(454, 7, 0, text)
	if cause != nil {
		reply = reply.WithCause(cause)
	}
	err := &Error{Reply: *reply}
	c.end(err)
	return err
}

// login answers the two questions of AUTH LOGIN, however they are worded. The
// library's client insists on one wording and sends the name with the command,
// which not every host takes.
type login struct{ answers []string }

// Start begins without an initial response.
func (l *login) Start() (string, []byte, error) { return sasl.Login, nil, nil }

// Next gives the name, then the password.
func (l *login) Next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, errors.New("too many questions in AUTH LOGIN")
	}
	answer := l.answers[0]
	l.answers = l.answers[1:]
	return []byte(answer), nil
}
