package smtpc

import (
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// text puts a piece of a command into the buffer.
func (t *transaction) text(s string) {
	b := t.c.buf
	t.c.said(s)
	if len(b.out)+len(s) > cap(b.out) {
		t.flush()
	}
	b.out = append(b.out, s...)
}

// put puts octets into the buffer and sends it whenever it is full, so that an
// envelope and a small message leave in one write.
func (t *transaction) put(p []byte) {
	b := t.c.buf
	for len(p) > 0 {
		if len(b.out) == cap(b.out) {
			t.flush()
		}
		n := min(len(p), cap(b.out)-len(b.out))
		b.out = append(b.out, p[:n]...)
		p = p[n:]
	}
}

// flush sends what is in the buffer.
func (t *transaction) flush() {
	b := t.c.buf
	if len(b.out) > 0 {
		t.c.write(t.ctx, b.out)
	}
	b.out = b.out[:0]
}

// read reads one reply; when the connection ends instead, or with it, all that
// is not settled may be asked elsewhere, unless the host may have the message.
func (t *transaction) read(limit time.Duration) (mail.Reply, bool) {
	reply, err := t.c.read(t.ctx, limit)
	if err == nil && t.c.err != nil { // 421
		err = t.c.err
	}
	switch {
	case err == nil:
		return reply, true
	case t.complete && t.taken > 0 && !err.Remote:
		t.rest(Lost, err.Reply, false)
	default:
		t.rest(Elsewhere, err.Reply, err.Remote)
	}
	return reply, false
}

// broken ends a dialogue in which a reply makes no sense. Those before it may have
// been out of step already, so that they settle nothing either.
func (t *transaction) broken() {
	clear(t.answers)
	err := &Error{Reply: closedReply(errReplySyntax)}
	t.c.end(err)
	if t.complete && t.taken > 0 {
		t.rest(Lost, err.Reply, false)
	}
	t.rest(Elsewhere, err.Reply, false)
}

// rest gives every recipient without an answer this one.
func (t *transaction) rest(v Verdict, reply mail.Reply, remote bool) {
	for i := range t.answers {
		if t.answers[i].Verdict == 0 {
			t.answers[i] = Answer{v, reply, remote}
		}
	}
}
