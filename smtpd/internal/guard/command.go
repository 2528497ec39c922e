package guard

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/sesame-mta/sesame/mail"
)

// command reads lines until one needs go-smtp, and sets what go-smtp reads of
// it. Everything else it answers itself.
func (g *Conn) command() {
	for !g.dead && len(g.feed) == 0 {
		if g.last != nil {
			g.bye(g.last, true)
			return
		}
		line, fault, ok := g.readLine(!g.mail)
		switch {
		case !ok:
			return
		case fault != nil:
			g.refuse(fault)
		default:
			g.dispatch(line)
		}
	}
}

// show hands a command to go-smtp.
func (g *Conn) show(o op, text string) {
	g.op = o
	g.give(text)
}

// give sets what go-smtp reads next.
func (g *Conn) give(text string) {
	g.feedBuf = append(g.feedBuf[:0], text...)
	g.feed = g.feedBuf
}

// split parts a line into its verb in capitals and the argument, without the
// blanks around it.
func split(line []byte, verb *[8]byte) (name, arg []byte) {
	end := bytes.IndexByte(line, ' ')
	if end < 0 {
		end = len(line)
	}
	if end > len(verb) {
		return nil, nil
	}
	for i, c := range line[:end] {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		verb[i] = c
	}
	return verb[:end], bytes.Trim(line[end:], " ")
}

// control reports whether a command line has an octet that no command has.
func control(line []byte) bool {
	for _, c := range line {
		if c < ' ' || c == 0x7f {
			return true
		}
	}
	return false
}

func (g *Conn) dispatch(line []byte) {
	var buf [8]byte
	name, arg := split(line, &buf)
	limit := commandOctets
	switch string(name) {
	case "MAIL":
		limit = mailOctets
	case "AUTH":
		limit = authOctets
	}
	switch {
	case len(line)+2 > limit:
		g.refuse(replyLine)
		return
	case control(line):
		g.refuse(replySyntax)
		return
	}
	switch string(name) {
	case "EHLO", "HELO":
		g.hello(string(name) == "EHLO", arg)
	case "STARTTLS":
		g.startTLS(arg)
	case "AUTH":
		g.auth(arg)
	case "MAIL":
		g.mailFrom(arg)
	case "RCPT":
		g.rcptTo(arg)
	case "DATA":
		g.data(arg)
	case "BDAT":
		g.chunk(arg)
	case "RSET":
		g.reset(arg)
	case "QUIT":
		if len(arg) > 0 {
			g.refuse(replyArgument)
			return
		}
		g.show(opQuit, "QUIT\r\n")
	default:
		g.other(string(name))
	}
}

// other answers the commands that change nothing.
func (g *Conn) other(name string) {
	switch name {
	case "NOOP":
		g.say(replyOk)
		g.idleTalk()
	case "VRFY":
		// Never says who exists (RFC 5321 section 7.3).
		g.say(replyVerify)
		g.idleTalk()
	case "HELP":
		g.say(replyHelp)
		g.idleTalk()
	case "GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE", "PATCH", "TRACE":
		// A browser was made to speak to us (ALPACA and older tricks): what it
		// sends next is somebody else's text and must not be read as commands.
		g.bye(replyHTTP, true)
	default:
		g.refuse(replyUnknown)
	}
}

// idleTalk counts a command that brings no message any nearer.
func (g *Conn) idleTalk() {
	if g.junk++; g.junk > g.cfg.Limits.Junk {
		g.bye(replyCommands, true)
	}
}

func (g *Conn) hello(extended bool, arg []byte) {
	if len(arg) == 0 {
		g.refuse(replyHello)
		return
	}
	g.helloNext, g.esmtpNext = clean(arg), extended
	// go-smtp's answer to HELO is one line, and we replace it anyway.
	g.show(opHello, "HELO x\r\n")
	g.idleTalk()
}

// clean keeps of a host name what may stand in a Received field.
func clean(arg []byte) string {
	if i := bytes.IndexByte(arg, ' '); i >= 0 {
		arg = arg[:i]
	}
	out := make([]byte, min(len(arg), mail.MaxDomain))
	for i := range out {
		switch c := arg[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '.', c == '-', c == '_', c == ':', c == '[', c == ']':
			out[i] = c
		default:
			out[i] = '?'
		}
	}
	return string(out)
}

func (g *Conn) startTLS(arg []byte) {
	switch {
	case len(arg) > 0:
		g.refuse(replyArgument) // RFC 3207 section 4
	case g.tls != nil:
		g.refuse(replyHaveTLS)
	case g.mail:
		g.refuse(replyInside)
	case g.cfg.TLS == nil:
		g.refuse(replyNoTLS)
	default:
		g.say(replyStartTLS)
		if g.flush() {
			g.handshake()
		}
	}
}

// locked gives the refusal that stands before everything that sends mail.
func (g *Conn) locked() *mail.Reply {
	switch {
	case g.kind.Trusted || g.authed || g.kind.Open:
		return nil
	case g.tls == nil:
		return replyMustTLS
	}
	return replyMustAuth
}

func (g *Conn) auth(arg []byte) {
	mech, ir, some := bytes.Cut(arg, []byte(" "))
	switch {
	case g.tls == nil:
		g.refuse(replyMustTLS)
	case g.helo == "":
		g.refuse(replyHelloFirst)
	case g.authed:
		g.refuse(replyHaveAuth) // RFC 4954 section 4
	case g.mail:
		g.refuse(replyInside)
	case len(mech) == 0:
		g.refuse(replyAuthSyntax)
	case !bytes.EqualFold(mech, []byte("PLAIN")) && !bytes.EqualFold(mech, []byte("LOGIN")):
		g.refuse(replyMechanism)
	case some && bytes.IndexByte(ir, ' ') >= 0:
		g.refuse(replyAuthSyntax)
	case some && string(ir) != "=" && !decodable(ir):
		g.refuse(replyBase64)
	default:
		g.show(opAuth, "AUTH "+string(arg)+"\r\n")
	}
}

func decodable(b []byte) bool {
	_, err := base64.StdEncoding.Strict().Decode(make([]byte, base64.StdEncoding.DecodedLen(len(b))), b)
	return err == nil
}

// response reads the client's answer to a challenge. One that is no answer goes
// to go-smtp as a cancelled exchange.
func (g *Conn) response() {
	line, fault, ok := g.readLine(false)
	g.exchange = false
	switch {
	case !ok:
		return
	case fault == nil && string(line) == "*":
		g.answer = replyCancelled
	case fault == nil && len(line)+2 > authOctets:
		g.answer = replyLine
	case fault != nil:
		g.answer = fault
	case control(line), string(line) != "=" && !decodable(line):
		g.answer = replyBase64
	default:
		g.give(string(line) + "\r\n")
		return
	}
	g.tell(g.answer)
	g.give("*\r\n")
}

func (g *Conn) mailFrom(arg []byte) {
	refusal := g.locked()
	switch {
	case refusal != nil:
	case g.helo == "":
		refusal = replyHelloFirst
	case g.mail:
		refusal = replyNested
	case g.messages >= g.cfg.Limits.Messages:
		refusal = replyMessages
	default:
		g.from, g.size, refusal = parseMail(arg, g.strictly())
		if refusal == nil && g.size > g.cfg.Limits.MessageBytes {
			refusal = replyTooLong
		}
	}
	if refusal != nil {
		g.refuse(refusal)
		return
	}
	g.show(opMail, "MAIL FROM:<a@b>\r\n")
}

func (g *Conn) rcptTo(arg []byte) {
	refusal := g.locked()
	switch {
	case refusal != nil:
	case !g.mail:
		refusal = replyMailFirst
	default:
		g.to, refusal = g.forwardPath(arg)
	}
	if refusal != nil {
		g.refuse(refusal)
		return
	}
	if len(g.rcpts) >= g.recipientLimit() {
		// The client is to send the rest in another message, so these refusals
		// are no errors of its.
		if g.over == 0 {
			g.tell(replyRecipients)
		}
		g.say(replyRecipients)
		if g.over++; g.over > maxRefusedRcpt {
			g.bye(replyErrors, true)
		}
		return
	}
	if len(g.rcpts) > 0 && !g.Stranger() {
		g.take() // go-smtp has one, and lets the content come
		return
	}
	g.show(opRcpt, "RCPT TO:<a@b>\r\n")
}

// take accepts the recipient in hand.
func (g *Conn) take() {
	g.rcpts = append(g.rcpts, g.to)
	g.say(replyOk)
}

// forwardPath reads the argument of RCPT. Postmaster without a domain is an
// address too (RFC 5321 section 4.1.1.3), where strangers may write to anybody.
func (g *Conn) forwardPath(arg []byte) (mail.ForwardPath, *mail.Reply) {
	if g.Stranger() {
		if path, _, params, err := cutPath(string(arg), "TO:"); err == nil && params == "" && strings.EqualFold(path, "postmaster") {
			arg = []byte("TO:<postmaster@" + g.cfg.Hostname + ">")
		}
	}
	return parseRcpt(arg)
}

// recipientLimit is how many recipients of one message are taken.
func (g *Conn) recipientLimit() int {
	switch {
	case g.Stranger():
		return strangerAccepted
	case g.strict:
		return strictAccepted
	}
	return g.cfg.Limits.Recipients
}

// ready gives the refusal of DATA and BDAT in the present state.
func (g *Conn) ready() *mail.Reply {
	switch r := g.locked(); {
	case r != nil:
		return r
	case !g.mail:
		return replyMailFirst
	case len(g.rcpts) == 0:
		return replyNoRcpt
	}
	return nil
}

func (g *Conn) data(arg []byte) {
	refusal := g.ready()
	if len(arg) > 0 {
		refusal = replyArgument
	}
	if refusal != nil {
		g.refuse(refusal)
		return
	}
	g.begin(false)
	g.show(opData, "DATA\r\n")
}

func (g *Conn) reset(arg []byte) {
	switch {
	case len(arg) > 0:
		g.refuse(replyArgument)
	case g.mail:
		g.show(opReset, "RSET\r\n")
		g.idleTalk()
	default:
		g.say(replyOk)
		g.idleTalk()
	}
}
