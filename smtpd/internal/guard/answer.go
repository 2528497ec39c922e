package guard

import (
	"bytes"
	"strconv"

	"github.com/sesame-mta/sesame/mail"
)

// Write takes go-smtp's replies, which come one line a call. Only the last line
// of a reply matters, and of it only the code: the words are ours.
func (g *Conn) Write(b []byte) (int, error) {
	if g.dead || len(b) < 4 || b[3] == '-' {
		return len(b), nil
	}
	code, err := strconv.Atoi(string(b[:3]))
	if err != nil {
		code = replyTemporary.Code
	}
	switch {
	case code == 354:
		if !g.content.chunked {
			g.say(replyData)
		}
	case code == 334:
		g.exchange = true
		if len(bytes.TrimSpace(b[4:])) == 0 {
			g.say(replyPlainGo)
		} else {
			g.out = append(g.out, b...)
		}
	default:
		g.finish(code)
	}
	return len(b), nil
}

// finish ends the command that go-smtp was working on.
func (g *Conn) finish(code int) {
	done, r := g.op, g.answer
	g.op, g.answer, g.exchange = opNone, nil, false
	switch {
	case done == opGreet:
		g.out = g.cfg.greeting(g.out, g.strict, g.session)
		return
	case done == opData:
		g.delivered(r, code)
		return
	case code == 421 && r == nil:
		g.bye(replyClosing, false) // go-smtp recovered from a panic
		return
	case code/100 != 2:
		if r == nil {
			r = replyTemporary
		}
		g.turn(r) // whoever decided it has told
		return
	}
	switch done {
	case opHello:
		g.helo, g.esmtp = g.helloNext, g.esmtpNext
		g.forget()
		if g.esmtp {
			g.out = g.cfg.extensions(g.out, g.strict, g.tls != nil)
		} else {
			g.out = append(append(append(g.out, "250 "...), g.cfg.Hostname...), "\r\n"...)
		}
	case opAuth:
		g.authed = true
		g.say(replyAuthOk)
	case opMail:
		g.mail = true
		g.say(replyOk)
	case opRcpt:
		g.take()
	case opReset:
		g.forget()
		g.say(replyOk)
	case opQuit:
		g.bye(replyBye, false)
	default: // the others are done with above
	}
}

// delivered answers the end of a message.
func (g *Conn) delivered(r *mail.Reply, code int) {
	c := g.content
	g.forget()
	switch {
	case g.quiet || g.dead:
		g.quiet = false
		return
	case r == nil && code == 421:
		g.bye(replyClosing, false)
		return
	case r == nil, r.Positive() && !c.eof:
		r = replyTemporary // never a 250 for less than the whole
	}
	g.messages++
	g.junk = 0
	if r.Positive() {
		g.errors = 0
	}
	g.say(r)
	g.held = len(g.out) > 0
	if r.Code == 421 {
		g.bye(nil, true)
	}
}

// forget ends the mail transaction.
func (g *Conn) forget() {
	g.mail, g.rcpts, g.over, g.content = false, nil, 0, nil
	g.from, g.to, g.size = mail.ReversePath{}, mail.ForwardPath{}, 0
}
