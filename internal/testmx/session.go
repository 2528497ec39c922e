package testmx

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errOver ends a session.
var errOver = errors.New("session is over")

// session is one connection.
type session struct {
	s    *Server
	raw  net.Conn
	conn net.Conn
	r    *bufio.Reader
	w    *writer
	m    Message // the transaction under way, and what the session knows
	// mail: MAIL was taken. chunks: a BDAT came. spoiled: one was refused.
	mail, chunks, spoiled bool
	ev                    Event
}

func newSession(s *Server, c net.Conn, n int) *session {
	return &session{
		s: s, raw: c, conn: c, r: bufio.NewReaderSize(c, 64<<10), w: newWriter(c, s.o.Latency),
		m:  Message{Conn: n, Remote: c.RemoteAddr().String()},
		ev: Event{Conn: n, Remote: c.RemoteAddr().String()},
	}
}

func (x *session) serve() {
	defer func() { _ = x.w.flush(); x.w.close() }()
	if x.s.o.ImplicitTLS && x.handshake() != nil {
		return
	}
	if x.answer(Connect, "", "220 "+x.s.o.Hostname+" ESMTP testmx") != nil {
		return
	}
	for {
		if x.r.Buffered() == 0 && x.w.flush() != nil {
			return
		}
		line, err := x.r.ReadSlice('\n')
		if err != nil || x.command(string(bytes.TrimRight(line, "\r\n"))) != nil {
			_ = x.w.flush()
			return
		}
	}
}

func (x *session) command(line string) error {
	verb, arg, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		return x.ehlo(line, arg)
	case "HELO":
		x.m.Hello, x.m.ESMTP = arg, false
		x.reset()
		return x.answer(Hello, line, "250 "+x.s.o.Hostname)
	case "STARTTLS":
		return x.startTLS(line)
	case "AUTH":
		return x.auth(line, arg)
	case "MAIL":
		return x.onMail(line)
	case "RCPT":
		return x.onRcpt(line)
	case "DATA":
		return x.onData(line)
	case "BDAT":
		return x.onBDAT(line, arg)
	case "RSET":
		x.reset()
		return x.answer(Reset, line, "250 2.0.0 Ok")
	case "NOOP":
		return x.w.reply("250 2.0.0 Ok")
	case "QUIT":
		if err := x.answer(Quit, line, "221 2.0.0 Bye"); err != nil {
			return err
		}
		return errOver
	}
	return x.w.reply("500 5.5.2 What is that?")
}

func (x *session) reset() {
	x.mail, x.chunks, x.spoiled = false, false, false
	x.m.From, x.m.Params, x.m.To, x.m.Data, x.m.Wire, x.m.BDAT = "", "", nil, nil, nil, false
	x.ev.Rcpt, x.ev.Recipients = 0, 0
}

func (x *session) ehlo(line, arg string) error {
	if x.s.o.NoEHLO {
		return x.answer(Hello, line, "502 5.5.1 Not implemented")
	}
	x.reset()
	x.m.Hello, x.m.ESMTP = arg, true
	lines := append([]string{x.s.o.Hostname}, x.s.o.Keywords...)
	if x.s.o.StartTLS && x.m.TLS == 0 {
		lines = append(lines, "STARTTLS")
	}
	for i := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		lines[i] = "250" + sep + lines[i]
	}
	return x.answer(Hello, line, strings.Join(lines, "\r\n"))
}

func (x *session) startTLS(line string) error {
	if !x.s.o.StartTLS || x.m.TLS != 0 {
		return x.w.reply("503 5.5.1 Not now")
	}
	code, err := x.ask(StartTLS, line, "220 2.0.0 Go ahead")
	if err != nil || code != 2 {
		return err
	}
	if err := x.w.flush(); err != nil {
		return err
	}
	return x.handshake()
}

func (x *session) handshake() error {
	if _, err := x.ask(Handshake, "", ""); err != nil {
		return err
	}
	_ = x.w.flush()
	tc := tls.Server(x.raw, x.s.o.TLS)
	_ = x.raw.SetDeadline(time.Now().Add(10 * time.Second))
	if err := tc.Handshake(); err != nil {
		return err
	}
	_ = x.raw.SetDeadline(time.Time{})
	x.w.close()
	x.conn, x.r, x.w = tc, bufio.NewReaderSize(tc, 64<<10), newWriter(tc, x.s.o.Latency)
	x.m.TLS, x.ev.TLS = tc.ConnectionState().Version, true
	x.m.Hello = ""
	x.reset()
	return nil
}

func (x *session) auth(line, arg string) error {
	code, err := x.ask(Auth, line, "")
	if err != nil || code != 0 {
		return err
	}
	mech, initial, has := strings.Cut(arg, " ")
	question := func(text string) (string, error) {
		if err := x.w.reply("334 " + base64.StdEncoding.EncodeToString([]byte(text))); err != nil {
			return "", err
		}
		if err := x.w.flush(); err != nil {
			return "", err
		}
		line, err := x.r.ReadString('\n')
		return strings.TrimSpace(line), err
	}
	var user, password string
	switch strings.ToUpper(mech) {
	case "PLAIN":
		if !has {
			if initial, err = question(""); err != nil {
				return err
			}
		}
		b, _ := base64.StdEncoding.DecodeString(initial)
		if parts := strings.Split(string(b), "\x00"); len(parts) == 3 {
			user, password = parts[1], parts[2]
		}
	case "LOGIN":
		for i, q := range []string{"User Name", "Password"} {
			answer, err := question(q)
			if err != nil {
				return err
			}
			b, _ := base64.StdEncoding.DecodeString(answer)
			if i == 0 {
				user = string(b)
			} else {
				password = string(b)
			}
		}
	}
	if want, known := x.s.o.Users[user]; !known || want != password {
		return x.w.reply("535 5.7.8 Authentication credentials invalid")
	}
	x.m.User = user
	return x.w.reply("235 2.7.0 Welcome")
}

func (x *session) onMail(line string) error {
	switch {
	case x.mail:
		return x.w.reply("503 5.5.1 Nested MAIL")
	case len(x.s.o.Users) > 0 && x.m.User == "":
		return x.w.reply("530 5.7.0 Authentication required")
	}
	path, params, ok := cutPath(line, "MAIL FROM:")
	if !ok {
		return x.w.reply("501 5.5.4 Syntax")
	}
	x.ev.Transaction++
	pipelined := x.r.Buffered() > 0
	code, err := x.ask(Mail, line, "250 2.1.0 Ok")
	if err != nil || code != 2 {
		return err
	}
	x.mail = true
	x.m.From, x.m.Params, x.m.Pipelined, x.m.Transaction = path, params, pipelined, x.ev.Transaction
	return nil
}

func (x *session) onRcpt(line string) error {
	path, _, ok := cutPath(line, "RCPT TO:")
	switch {
	case !x.mail:
		return x.w.reply("503 5.5.1 MAIL first")
	case !ok || path == "":
		return x.w.reply("501 5.5.4 Syntax")
	}
	x.ev.Rcpt++
	usual := "250 2.1.5 Ok"
	if x.s.o.MaxRecipients > 0 && len(x.m.To) >= x.s.o.MaxRecipients {
		usual = "452 4.5.3 Too many recipients"
	}
	code, err := x.ask(Rcpt, line, usual)
	if err == nil && code == 2 {
		x.m.To = append(x.m.To, path)
		x.ev.Recipients++
	}
	return err
}

func (x *session) onData(line string) error {
	switch {
	case !x.mail || x.chunks:
		return x.w.reply("503 5.5.1 Not now")
	case len(x.m.To) == 0:
		if code, err := x.ask(Data, line, "554 5.5.1 No valid recipients"); err != nil || code != 3 {
			return err
		}
	default:
		if code, err := x.ask(Data, line, "354 Go ahead"); err != nil || code != 3 {
			return err
		}
	}
	if err := x.w.flush(); err != nil {
		return err
	}
	if err := x.readData(); err != nil {
		return err
	}
	return x.finish("")
}

// readData reads up to the line that is a dot, and takes stuffed dots out.
func (x *session) readData() error {
	start := true
	x.ev.Octets = 0
	for {
		line, err := x.r.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !long {
			return err
		}
		if start && len(line) == 3 && string(line) == ".\r\n" {
			return nil
		}
		x.ev.Octets += len(line)
		if !x.s.o.Discard {
			x.m.Wire = append(x.m.Wire, line...)
			if start && line[0] == '.' {
				line = line[1:]
			}
			x.m.Data = append(x.m.Data, line...)
		}
		start = !long && bytes.HasSuffix(line, []byte("\r\n"))
	}
}

func (x *session) onBDAT(line, arg string) error {
	number, last, _ := strings.Cut(arg, " ")
	size, err := strconv.ParseInt(number, 10, 64)
	if err != nil || size < 0 || last != "" && !strings.EqualFold(last, "LAST") {
		_ = x.w.reply("501 5.5.4 Syntax")
		return errOver
	}
	if !x.mail || len(x.m.To) == 0 || x.s.o.Discard {
		if _, err := io.CopyN(io.Discard, x.r, size); err != nil {
			return err
		}
	} else {
		at := len(x.m.Data)
		x.m.Data = slices.Grow(x.m.Data, int(size))[:at+int(size)]
		if _, err := io.ReadFull(x.r, x.m.Data[at:]); err != nil {
			return err
		}
	}
	switch {
	case !x.mail:
		return x.w.reply("503 5.5.1 MAIL first")
	case len(x.m.To) == 0 || x.spoiled:
		return x.w.reply("554 5.5.1 No valid recipients")
	}
	x.chunks, x.m.BDAT = true, true
	if last == "" {
		code, err := x.ask(Chunk, line, "250 2.0.0 Continue")
		x.spoiled = code != 2
		return err
	}
	x.m.Wire = x.m.Data
	return x.finish(line)
}

func (x *session) finish(line string) error {
	usual := "250 2.0.0 Ok"
	if p := x.s.o.DeferPercent; p > 0 && rand.IntN(100) < p {
		usual = "451 4.3.0 Try again later"
		x.s.deferred.Add(1)
	}
	code, err := x.ask(Content, line, usual)
	if err != nil {
		return err
	}
	if code == 2 && len(x.m.To) > 0 {
		x.s.take(&x.m)
	}
	if code == 2 || !x.m.BDAT {
		x.reset()
	} else {
		x.spoiled = true // RSET first
	}
	return nil
}

// cutPath takes a command with a path apart.
func cutPath(line, command string) (path, params string, ok bool) {
	if len(line) < len(command) || !strings.EqualFold(line[:len(command)], command) {
		return "", "", false
	}
	rest, found := strings.CutPrefix(line[len(command):], "<")
	i := strings.LastIndexByte(rest, '>')
	if !found || i < 0 {
		return "", "", false
	}
	return rest[:i], strings.TrimPrefix(rest[i+1:], " "), true
}
