package sink

import (
	"bufio"
	"crypto/tls"
	"net"
	"time"
)

// use makes c the connection of the session.
func (ss *session) use(c net.Conn) {
	ss.c, ss.r, ss.w = c, bufio.NewReaderSize(c, 64<<10), bufio.NewWriterSize(c, 4<<10)
	if d := ss.s.o.Latency; d > 0 {
		ss.late = newLate(c, d)
		ss.w.Reset(ss.late)
	}
}

// unuse waits for replies that are still on their way.
func (ss *session) unuse() {
	if ss.late != nil {
		ss.late.end()
		ss.late = nil
	}
}

// startTLS begins TLS; EHLO follows (RFC 3207 section 4.2).
func (ss *session) startTLS() error {
	if ss.s.o.TLS == nil {
		ss.say("500 Unknown")
		return nil
	}
	ss.say("220 Go ahead")
	if err := ss.w.Flush(); err != nil {
		return err
	}
	ss.unuse()
	ss.use(tls.Server(ss.c, ss.s.o.TLS))
	return nil
}

// late is a writer whose octets are under way for a time, as on a long line: what
// is written later does not wait for what was written before to arrive.
type late struct {
	c     net.Conn
	d     time.Duration
	queue chan packet
	done  chan struct{}
}

type packet struct {
	due    time.Time
	octets []byte
}

func newLate(c net.Conn, d time.Duration) *late {
	l := &late{c: c, d: d, queue: make(chan packet, 64), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for p := range l.queue {
			time.Sleep(time.Until(p.due))
			_, _ = l.c.Write(p.octets) // a broken connection shows at the next read
		}
	}()
	return l
}

func (l *late) Write(b []byte) (int, error) {
	l.queue <- packet{time.Now().Add(l.d), append([]byte(nil), b...)}
	return len(b), nil
}

// end waits until everything has arrived.
func (l *late) end() {
	close(l.queue)
	<-l.done
}
