package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

func (w *worker) connect(ctx context.Context) error {
	d := net.Dialer{Timeout: 20 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", w.o.Addr)
	if err != nil {
		return err
	}
	w.sent = 0
	w.who = Login{w.o.User, w.o.Password, w.o.From}
	if n := int64(len(w.o.Logins)); n > 0 {
		w.who = w.o.Logins[(w.turn.Add(1)-1)%n]
	}
	w.use(conn)
	if err := conn.SetDeadline(time.Now().Add(w.o.Timeout)); err != nil {
		return err
	}
	if w.o.API != nil {
		return nil
	}
	// A server that measures certificates is not what is measured here.
	config := &tls.Config{InsecureSkipVerify: true}
	if w.o.TLS == Implicit {
		w.use(tls.Client(conn, config))
	}
	if ok, err := w.expect(220); !ok {
		return orElse(err, errStop)
	}
	if err := w.hello(); err != nil {
		return err
	}
	if w.o.TLS == StartTLS {
		if ok, err := w.command([]byte("STARTTLS\r\n"), 220); !ok {
			return orElse(err, errStop)
		}
		w.use(tls.Client(conn, config))
		if err := w.hello(); err != nil {
			return err
		}
	}
	if w.who.User != "" {
		plain := base64.StdEncoding.EncodeToString([]byte("\x00" + w.who.User + "\x00" + w.who.Password))
		if ok, err := w.command([]byte("AUTH PLAIN "+plain+"\r\n"), 235); !ok {
			return orElse(err, errStop)
		}
	}
	return nil
}

// hello says EHLO and looks for what is offered.
func (w *worker) hello() error {
	w.pipe = false
	if ok, err := w.command([]byte("EHLO client.example.com\r\n"), 250); !ok {
		return orElse(err, errStop)
	}
	return nil
}

func (w *worker) use(conn net.Conn) {
	w.conn, w.r = conn, bufio.NewReaderSize(conn, 4<<10)
}

// command sends one line and reads its reply.
func (w *worker) command(b []byte, want int) (bool, error) {
	if _, err := w.conn.Write(b); err != nil {
		return false, err
	}
	return w.expect(want)
}

// expect reads a reply and reports whether it has the code that was wanted.
// Another code is counted, and is no error unless it is 421.
func (w *worker) expect(want int) (bool, error) {
	line, err := w.reply()
	if err != nil {
		return false, err
	}
	code, err := strconv.Atoi(line[:3])
	if err != nil {
		return false, fmt.Errorf("bad reply %q", line)
	}
	if code == want {
		return true, nil
	}
	w.refused++
	w.refusal = line
	if code == 421 {
		return false, errStop
	}
	return false, nil
}

func (w *worker) reply() (string, error) {
	for {
		b, err := w.r.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		line := strings.TrimRight(string(b), "\r\n")
		if len(line) > 4 && line[4:] == "PIPELINING" {
			w.pipe = w.o.Pipelining
		}
		if len(line) < 3 {
			return "", fmt.Errorf("bad reply %q", line)
		}
		if len(line) == 3 || line[3] != '-' {
			return line, nil
		}
	}
}

func (w *worker) quit() {
	if w.conn == nil {
		return
	}
	if w.o.API == nil {
		_, _ = w.conn.Write([]byte("QUIT\r\n")) // a courtesy
	}
	w.drop()
}

func (w *worker) drop() {
	if w.conn != nil {
		_ = w.conn.Close() // all that matters was acknowledged before
		w.conn = nil
	}
}
