package smtpc

import (
	"context"
	"errors"
	"strconv"

	"github.com/sesame-mta/sesame/mail"
)

// MaxPipelinedBDAT is the largest message that leaves in one group with its
// envelope, before the host has said whether it wants it.
const MaxPipelinedBDAT = 1 << 20

// chunk is how much of a larger message goes into one BDAT.
const chunk = 1 << 20

// MaxRecipients is the most recipients a caller should put into one
// transaction: what every host must take (RFC 5321 section 4.5.3.1.8), and few
// enough for a group of commands and its replies to fit the socket buffers.
const MaxRecipients = 100

// Send makes one mail transaction and gives one answer per recipient, in order.
// Whether the connection can be used again, Usable tells.
func (c *Client) Send(ctx context.Context, m *Message) []Answer {
	c.answered = false
	if c.err == nil && !c.quiet() {
		c.end(&Error{Reply: closedReply(errUnasked)})
	}
	t := &transaction{c: c, ctx: ctx, m: m, answers: make([]Answer, len(m.To))}
	if c.err != nil {
		t.rest(Elsewhere, c.err.Reply, c.err.Remote)
		return t.answers
	}
	c.buf = c.o.Buffers.get()
	stop := c.watch(ctx)
	t.run()
	stop()
	if c.failed != nil {
		c.end(&Error{Reply: closedReply(c.failed)})
	}
	c.o.Buffers.put(c.buf)
	c.buf = nil
	return t.answers
}

// transaction is one Send.
type transaction struct {
	c       *Client
	ctx     context.Context
	m       *Message
	body    content
	answers []Answer
	taken   int // recipients that got a 2xx
	// complete: the last octet of the message has been written. If the connection
	// ends from here on, nobody knows what became of it.
	complete bool
}

func (t *transaction) run() {
	c := t.c
	if err := t.body.load(t.m, c.buf.in); err != nil {
		t.rest(Settled, contentReply(err), false)
		return
	}
	switch size := t.body.octets(); {
	case c.ext.MaxSize > 0 && size > c.ext.MaxSize:
		t.rest(Settled, *mail.Refuse(552, 3, 4, "Message is larger than the remote host takes"), false)
		return
	case t.m.EightBit && !c.ext.EightBitMIME && !c.o.Send8BitAnyway:
		// Converting would break signatures: the message goes back (RFC 6152 section 3).
		t.rest(Settled, *mail.Refuse(554, 6, 3, "Remote host does not take 8-bit content"), false)
		return
	case !c.ext.Pipelining:
		t.inTurn(size)
	case t.chunking() && size > MaxPipelinedBDAT:
		t.group()
		t.flush()
		t.envelope()
		t.chunks(size)
	case t.chunking():
		t.group()
		t.text("BDAT ")
		t.text(strconv.FormatInt(size, 10))
		t.text(" LAST\r\n")
		if !t.octets() {
			return
		}
		t.envelope()
		t.finish(false)
	default:
		t.group()
		t.text("DATA\r\n")
		t.flush()
		t.envelope()
		t.data(true)
	}
}

func (t *transaction) chunking() bool { return t.c.ext.Chunking && !t.c.o.NoChunking }

// group writes RSET where needed, MAIL and all RCPTs, without waiting (RFC 2920).
func (t *transaction) group() {
	if t.c.open {
		t.text("RSET\r\n")
	}
	t.mail()
	for i := range t.m.To {
		t.rcpt(i)
	}
}

func (t *transaction) mail() {
	x := &t.c.ext
	t.text("MAIL FROM:<")
	t.text(t.m.From.String())
	t.text(">")
	if x.Size {
		t.text(" SIZE=")
		t.text(strconv.FormatInt(t.body.octets(), 10))
	}
	if t.m.EightBit && x.EightBitMIME {
		t.text(" BODY=8BITMIME")
	}
	t.text("\r\n")
}

func (t *transaction) rcpt(i int) {
	t.text("RCPT TO:<")
	t.text(t.m.To[i].String())
	t.text(">\r\n")
}

// envelope reads the replies to a group.
func (t *transaction) envelope() {
	if t.c.open {
		t.onReset()
	}
	t.onMail()
	for i := range t.m.To {
		t.onRcpt(i)
	}
}

// inTurn waits for each reply before the next command.
func (t *transaction) inTurn(size int64) {
	if t.c.open {
		t.text("RSET\r\n")
		t.flush()
		t.onReset()
	}
	t.mail()
	t.flush()
	t.onMail()
	for i := range t.m.To {
		if t.answers[i].Verdict != 0 {
			return // MAIL was refused, or the connection is gone
		}
		t.rcpt(i)
		t.flush()
		t.onRcpt(i)
	}
	switch {
	case t.taken == 0:
	case t.chunking():
		t.chunks(size)
	default:
		t.text("DATA\r\n")
		t.flush()
		t.data(false)
	}
}

func (t *transaction) onReset() {
	reply, ok := t.read(t.c.o.Timeouts.Hello)
	switch {
	case !ok:
	case reply.Positive():
		t.c.open = false
	default:
		t.broken()
	}
}

func (t *transaction) onMail() {
	reply, ok := t.read(t.c.o.Timeouts.Mail)
	switch {
	case !ok:
	case reply.Positive():
		t.c.open = true
	case reply.Code/100 == 4:
		t.rest(Elsewhere, reply, true)
	case reply.Code/100 == 5:
		t.rest(Settled, reply, true)
	default:
		t.broken()
	}
}

func (t *transaction) onRcpt(i int) {
	reply, ok := t.read(t.c.o.Timeouts.Rcpt)
	if !ok || t.answers[i].Verdict != 0 {
		return
	}
	switch {
	case reply.Positive():
		t.taken++
	case tooMany(reply) && t.taken > 0:
		// The rest goes in another transaction; 552 means the same from old
		// hosts (RFC 5321 section 4.5.3.1.10).
		t.answers[i] = Answer{Again, reply, true}
	case reply.Code/100 == 4 || reply.Code/100 == 5:
		t.answers[i] = Answer{Settled, reply, true}
	default:
		t.broken()
	}
}

// tooMany tells the limit on recipients from a full mailbox, which uses the same
// codes: by the enhanced status, if there is one.
func tooMany(r mail.Reply) bool {
	if r.Code != 452 && r.Code != 552 {
		return false
	}
	return r.Status.IsZero() || r.Status.Subject == 5 && r.Status.Detail == 3
}

// data reads the reply to DATA and sends the content.
func (t *transaction) data(grouped bool) {
	reply, ok := t.read(t.c.o.Timeouts.Data)
	switch {
	case !ok:
		return
	case reply.Code == 354 && t.taken == 0 && grouped:
		// Nobody is there to take it: a lone dot (RFC 2920 section 3.1).
		t.text(".\r\n")
		t.flush()
		t.finish(true)
		return
	case reply.Code == 354:
	case reply.Code/100 == 4 || reply.Code/100 == 5:
		t.rest(Settled, reply, true)
		return
	default:
		t.broken()
		return
	}
	d := &dots{put: t.put}
	err := t.body.each(t.c.buf.in, func(p []byte) error {
		d.add(p)
		return t.c.failed
	})
	if t.spoiled(err) {
		return
	}
	t.text(".\r\n")
	t.last()
	t.finish(true)
}

// octets sends the content as it is, after a BDAT command.
func (t *transaction) octets() bool {
	err := t.body.each(t.c.buf.in, func(p []byte) error {
		t.put(p)
		return t.c.failed
	})
	if t.spoiled(err) {
		return false
	}
	t.last()
	return true
}

// last sends what is left of the message.
func (t *transaction) last() {
	t.flush()
	t.complete = t.c.failed == nil
	if t.c.trace != nil {
		t.c.trace(TraceNote, "content of "+strconv.FormatInt(t.body.octets(), 10)+" octets")
	}
}

// chunks sends a message in BDATs, each after the reply to the one before.
func (t *transaction) chunks(size int64) {
	if t.taken == 0 || t.c.err != nil {
		return
	}
	refused := errors.New("chunk refused")
	left, room := size, int64(0)
	begin := func() {
		room = min(left, chunk)
		left -= room
		t.text("BDAT ")
		t.text(strconv.FormatInt(room, 10))
		if left == 0 {
			t.text(" LAST")
		}
		t.text("\r\n")
	}
	begin()
	err := t.body.each(t.c.buf.in, func(p []byte) error {
		for len(p) > 0 {
			if room == 0 {
				t.flush()
				reply, ok := t.read(t.c.o.Timeouts.Done)
				switch {
				case !ok:
					return refused
				case reply.Code/100 == 4 || reply.Code/100 == 5:
					// No further chunk of this message (RFC 3030 section 2).
					t.rest(Settled, reply, true)
					return refused
				case !reply.Positive():
					t.broken()
					return refused
				}
				begin()
			}
			n := min(int64(len(p)), room)
			t.put(p[:n])
			p, room = p[n:], room-n
			if t.c.failed != nil {
				return t.c.failed
			}
		}
		return nil
	})
	if errors.Is(err, refused) || t.spoiled(err) {
		return
	}
	t.last()
	t.finish(false)
}

// spoiled deals with content that could not be sent to its end. After a failed
// write the host's last words are still to be read; anything else is our own
// fault and must not end as a message, so the connection goes.
func (t *transaction) spoiled(err error) bool {
	if err == nil || t.c.failed != nil {
		return false
	}
	if t.c.trace != nil {
		t.c.trace(TraceNote, err.Error())
	}
	t.rest(Settled, contentReply(err), false)
	t.c.end(&Error{Reply: closedReply(err)})
	return true
}

func contentReply(err error) mail.Reply {
	if errors.Is(err, errUnclean) {
		return *mail.Refuse(554, 6, 0, "Message has a bare CR, a bare LF or a NUL").WithCause(err)
	}
	return *mail.Refuse(451, 3, 0, "Message content is not available").WithCause(err)
}

// finish reads the reply to the whole message.
func (t *transaction) finish(dotted bool) {
	reply, ok := t.read(t.c.o.Timeouts.Done)
	if !ok {
		return
	}
	if !dotted && reply.Positive() && (t.c.surplus() || reply.Status.Subject == 1) {
		// One reply too many, or the status of an address (RFC 3463 section 3.2):
		// this may be the reply to RCPT. With DATA the 354 would have told.
		t.broken()
		return
	}
	// The reply to the dot ends the transaction, whatever it is; after a refused
	// BDAT only RSET does (RFC 3030 section 2).
	t.c.open = !dotted && !reply.Positive()
	switch {
	case reply.Code/10 == 22:
		// The second digit says that it is about the connection (RFC 5321 section
		// 4.2.1): a greeting or a farewell in the wrong place, which takes no mail.
		t.broken()
	case reply.Positive() && (t.complete || t.taken == 0):
		t.rest(Accepted, reply, true)
	case reply.Code/100 == 4 || reply.Code/100 == 5:
		t.rest(Settled, reply, true)
	default:
		t.broken()
	}
}
