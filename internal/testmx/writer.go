package testmx

import (
	"net"
	"strings"
	"sync"
	"time"
)

// writer gathers replies and sends them when told, or each batch a while later.
type writer struct {
	conn    net.Conn
	buf     []byte
	latency time.Duration
	late    chan batch // nil without latency
	done    chan struct{}
	once    sync.Once
}

type batch struct {
	due  time.Time
	data []byte
}

func newWriter(c net.Conn, latency time.Duration) *writer {
	w := &writer{conn: c, latency: latency}
	if latency > 0 {
		w.late, w.done = make(chan batch, 1024), make(chan struct{})
		go w.deliver()
	}
	return w
}

// deliver writes each batch when it is due. Batches wait side by side, not one
// after the other.
func (w *writer) deliver() {
	defer close(w.done)
	for b := range w.late {
		if d := time.Until(b.due); d > 0 {
			<-time.After(d)
		}
		if _, err := w.conn.Write(b.data); err != nil {
			_ = w.conn.Close()
		}
	}
}

func (w *writer) reply(text string) error {
	w.buf = append(w.buf, text...)
	w.buf = append(w.buf, '\r', '\n')
	return nil
}

func (w *writer) raw(text string) { w.buf = append(w.buf, text...) }

func (w *writer) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	data := w.buf
	if w.late != nil {
		w.late <- batch{time.Now().Add(w.latency), append([]byte(nil), data...)}
		w.buf = w.buf[:0]
		return nil
	}
	w.buf = w.buf[:0]
	_, err := w.conn.Write(data)
	return err
}

// close sends what is late and waits for it.
func (w *writer) close() {
	w.once.Do(func() {
		if w.late != nil {
			close(w.late)
			<-w.done
		}
	})
}

func (x *session) answer(st Stage, line, usual string) error {
	_, err := x.ask(st, line, usual)
	return err
}

// ask gives the script its chance, else says the usual. It gives the class of
// the reply that was sent, 0 when none was.
func (x *session) ask(st Stage, line, usual string) (class int, err error) {
	text := usual
	if x.s.o.Script != nil {
		x.ev.Stage, x.ev.Line = st, line
		a := x.s.o.Script(x.ev)
		switch a.Do {
		case Reply:
			if a.Text != "" {
				text = strings.ReplaceAll(a.Text, "\n", "\r\n")
			}
		case Raw:
			x.w.raw(a.Text)
			return first(a.Text), nil
		case Drop:
			_ = x.w.flush()
			return 0, errOver
		default:
			_ = x.w.flush()
			x.torment(a.Do)
			return 0, errOver
		}
	}
	if text == "" {
		return 0, nil
	}
	err = x.w.reply(text)
	if strings.HasPrefix(text, "421") {
		err = errOver
	}
	return first(text), err
}

func first(text string) int {
	if text == "" {
		return 0
	}
	return int(text[0]) - '0'
}

// torment keeps the client busy until it leaves or the server closes.
func (x *session) torment(d Deed) {
	switch d {
	default: // Reply, Raw and Drop are done
	case Abort:
		if tc, ok := x.raw.(*net.TCPConn); ok {
			_ = tc.SetLinger(0)
		}
	case Hang:
		// A client that leaves is noticed by reading; what it says is ignored.
		b := make([]byte, 4096)
		for {
			if _, err := x.conn.Read(b); err != nil {
				return
			}
		}
	case Stall:
		<-x.s.stop
	case Drip:
		reply := "250-" + strings.Repeat("drip", 20) + "\r\n"
		tick := time.NewTicker(x.s.o.DripEvery)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-x.s.stop:
				return
			case <-tick.C:
			}
			if _, err := x.conn.Write([]byte{reply[i%len(reply)]}); err != nil {
				return
			}
		}
	case Endless:
		lines := []byte(strings.Repeat("250-and another line\r\n", 100))
		for {
			if _, err := x.conn.Write(lines); err != nil {
				return
			}
		}
	}
}
