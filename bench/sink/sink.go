// Package sink is an SMTP server that takes every message as fast as it can,
// counts it and forgets it. It finds messages that were lost or came twice by
// the id that bench/load writes into them. It serves benchmarks and tests: it
// keeps nothing, checks no address and must never face the Internet.
package sink

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// IDField is the header field that carries the id of a message of bench/load.
const IDField = "X-Bench-Id"

// SumField is the header field that carries the CRC-32 (IEEE) of the body, in
// eight hexadecimal digits. A body that has another sum is torn.
const SumField = "X-Bench-Sum"

// Options say how the sink behaves. The zero value offers nothing beyond RFC
// 5321's minimum, answers at once and takes everything.
type Options struct {
	// Pipelining and Chunking are the extensions to offer.
	Pipelining, Chunking bool
	// Latency is how long each reply is on its way. Replies to pipelined commands
	// are on their way together.
	Latency time.Duration
	// TLS is for STARTTLS, which is not offered without it.
	TLS *tls.Config
	// Also are more addresses to listen at, on the port of the first.
	Also []string
	// Defer is the percentage of messages that get 451 to their content.
	Defer int
}

// Sink is a running sink.
type Sink struct {
	o    Options
	ls   []net.Listener
	wg   sync.WaitGroup
	deny atomic.Int64 // Options.Defer, which Defer changes
	last atomic.Int64 // time of the last delivery, in nanoseconds since 1970

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	seen  map[string][]string // the recipients of each id, each time
	gate  chan struct{}       // closed, but while the sink holds its replies

	sessions, messages, recipients, deferred, octets, torn, signatures atomic.Int64
}

// Listen starts a sink at addr. Close must be called.
func Listen(addr string, o Options) (*Sink, error) {
	s := &Sink{o: o, conns: map[net.Conn]struct{}{}, seen: map[string][]string{}, gate: make(chan struct{})}
	close(s.gate)
	s.Defer(o.Defer)
	if err := s.listen(addr); err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(s.Addr()) // it is one
	for _, host := range o.Also {
		if err := s.listen(net.JoinHostPort(host, port)); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (s *Sink) listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s.ls = append(s.ls, l)
	s.wg.Go(func() { s.accept(l) })
	return nil
}

// Addr is where the sink listens.
func (s *Sink) Addr() string { return s.ls[0].Addr().String() }

// Hold keeps back all replies, those of new sessions too, until Release.
func (s *Sink) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = make(chan struct{})
}

// Release ends Hold.
func (s *Sink) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.gate:
	default:
		close(s.gate)
	}
}

// pass waits while replies are held.
func (s *Sink) pass() {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	<-gate
}

// Defer changes Options.Defer from now on.
func (s *Sink) Defer(percent int) { s.deny.Store(int64(percent)) }

// Close ends all sessions and waits for them.
func (s *Sink) Close() error {
	s.Release()
	var err error
	for _, l := range s.ls {
		err = errors.Join(err, l.Close())
	}
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close() // the session reports it, to nobody
	}
	s.mu.Unlock()
	s.wg.Wait()
	return err
}

// Count is what a sink has taken so far.
type Count struct {
	Sessions   int64 `json:"sessions"`
	Messages   int64 `json:"messages"`
	Recipients int64 `json:"recipients"`
	Deferred   int64 `json:"deferred"`
	Octets     int64 `json:"octets"`
	Torn       int64 `json:"torn"` // messages whose body is not what was sent
	// Signatures are the DKIM-Signature fields of all messages.
	Signatures int64 `json:"signatures"`
	// Last is the time of the last delivery.
	Last time.Time `json:"last"`
}

// Count gives the figures of this moment.
func (s *Sink) Count() Count {
	return Count{
		Sessions: s.sessions.Load(), Messages: s.messages.Load(), Recipients: s.recipients.Load(),
		Deferred: s.deferred.Load(), Octets: s.octets.Load(), Torn: s.torn.Load(), Signatures: s.signatures.Load(), Last: time.Unix(0, s.last.Load()),
	}
}

// Check compares what came with the keys that were acknowledged (see Key): how
// many of those never came, and how many keys came more than once.
func (s *Sink) Check(acknowledged []string) (lost, doubled []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, rcpts := range s.seen {
		slices.Sort(rcpts)
		for i, rcpt := range rcpts {
			if i > 0 && rcpt == rcpts[i-1] && (i == 1 || rcpt != rcpts[i-2]) {
				doubled = append(doubled, Key(id, rcpt))
			}
		}
	}
	for _, key := range acknowledged {
		id, rcpt, _ := strings.Cut(key, " ")
		if _, came := slices.BinarySearch(s.seen[id], rcpt); !came {
			lost = append(lost, key)
		}
	}
	return lost, doubled
}

// Forget starts the counting of ids anew.
func (s *Sink) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.seen)
}

// WaitFor returns when n recipients have been served in all, or when ctx ends.
func (s *Sink) WaitFor(ctx context.Context, n int64) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for s.recipients.Load() < n {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d recipients came: %w", s.recipients.Load(), n, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// Key names one delivery: a message of bench/load to one of its recipients.
func Key(id, rcpt string) string { return id + " " + rcpt }

func (s *Sink) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		s.sessions.Add(1)
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			ss := &session{s: s}
			ss.use(c)
			ss.serve()
			ss.unuse()
			_ = c.Close() // the peer sees it or is gone
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		}()
	}
}

type session struct {
	s     *Sink
	c     net.Conn
	r     *bufio.Reader
	w     *bufio.Writer
	late  *late // nil without latency
	rcpts []string
	id    string
	want  string // the sum that the body should have
	sum   uint32
	head  bool // still in the header section of the message
	line  bool // at the beginning of a line
	size  int64
	sigs  int64 // DKIM-Signature fields
}

// errProtocol ends a session that is out of step.
var errProtocol = errors.New("out of step")

func (ss *session) serve() {
	ss.say("220 sink.example.net ESMTP sink")
	for {
		line, err := ss.readLine()
		if err != nil {
			return
		}
		verb, arg, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			ss.ehlo()
		case "HELO":
			ss.say("250 sink.example.net")
		case "MAIL":
			ss.begin()
			ss.say("250 Ok")
		case "RCPT":
			ss.rcpts = append(ss.rcpts, path(arg))
			ss.say("250 Ok")
		case "DATA":
			ss.say("354 Go ahead")
			if err := ss.data(); err != nil {
				return
			}
			ss.settle()
		case "BDAT":
			if err := ss.bdat(arg); err != nil {
				return
			}
		case "RSET":
			ss.begin()
			ss.say("250 Ok")
		case "STARTTLS":
			if err := ss.startTLS(); err != nil {
				return
			}
		case "NOOP":
			ss.say("250 Ok")
		case "QUIT":
			ss.say("221 Bye")
			_ = ss.w.Flush() // the peer may have gone already
			return
		default:
			ss.say("500 Unknown")
		}
	}
}

func (ss *session) ehlo() {
	ss.say("250-sink.example.net")
	if ss.s.o.Pipelining {
		ss.say("250-PIPELINING")
	}
	if ss.s.o.Chunking {
		ss.say("250-CHUNKING")
	}
	if _, secured := ss.c.(*tls.Conn); ss.s.o.TLS != nil && !secured {
		ss.say("250-STARTTLS")
	}
	ss.say("250 8BITMIME")
}

func (ss *session) begin() {
	ss.rcpts, ss.id, ss.want, ss.sum, ss.head, ss.line, ss.size, ss.sigs = ss.rcpts[:0], "", "", 0, true, true, 0, 0
}

func (ss *session) say(s string) {
	// A write error shows at the next read.
	_, _ = ss.w.WriteString(s)
	_, _ = ss.w.WriteString("\r\n")
}

// readLine gives a command line. Replies go out when no command is waiting.
func (ss *session) readLine() (string, error) {
	b, err := ss.readSlice()
	return string(bytes.TrimRight(b, "\r\n")), err
}

func (ss *session) readSlice() ([]byte, error) {
	if err := ss.fill(); err != nil {
		return nil, err
	}
	b, err := ss.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return b, nil
	}
	return b, err
}

// fill flushes what was said before a read that may wait.
func (ss *session) fill() error {
	if ss.r.Buffered() > 0 {
		return nil
	}
	ss.s.pass()
	if err := ss.w.Flush(); err != nil {
		return err
	}
	return ss.c.SetReadDeadline(time.Now().Add(10 * time.Minute))
}

// data reads to the final dot.
func (ss *session) data() error {
	for {
		b, err := ss.readSlice()
		if err != nil {
			return err
		}
		if ss.line && string(b) == ".\r\n" {
			return nil
		}
		if ss.line && b[0] == '.' {
			b = b[1:]
		}
		ss.content(b)
	}
}

// content looks for the fields in one line, or a part of a long one, and sums
// up the body.
func (ss *session) content(b []byte) {
	ss.size += int64(len(b))
	switch {
	case !ss.head:
		ss.sum = crc32.Update(ss.sum, crc32.IEEETable, b)
	case !ss.line:
	case string(b) == "\r\n":
		ss.head = false
	default:
		if v, ok := field(b, IDField); ok {
			ss.id = v
		} else if v, ok := field(b, SumField); ok {
			ss.want = v
		} else if _, ok := field(b, "DKIM-Signature"); ok {
			ss.sigs++
		}
	}
	ss.line = b[len(b)-1] == '\n'
}

func field(line []byte, name string) (value string, ok bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || string(line[:len(name)]) != name {
		return "", false
	}
	return string(bytes.TrimSpace(line[len(name)+1:])), true
}

func (ss *session) bdat(arg string) error {
	num, last, _ := strings.Cut(arg, " ")
	n, err := strconv.ParseInt(num, 10, 63)
	if err != nil || n < 0 {
		return errProtocol
	}
	for n > 0 {
		if err := ss.fill(); err != nil {
			return err
		}
		if _, err := ss.r.Peek(1); err != nil {
			return err
		}
		b, _ := ss.r.Peek(int(min(n, int64(ss.r.Buffered()))))
		if i := bytes.IndexByte(b, '\n'); i >= 0 && ss.head {
			b = b[:i+1]
		}
		ss.content(b)
		n -= int64(len(b))
		if _, err := ss.r.Discard(len(b)); err != nil {
			return err
		}
	}
	if strings.EqualFold(last, "LAST") {
		ss.settle()
	} else {
		ss.say("250 Ok")
	}
	return nil
}

// settle answers the content and counts it.
func (ss *session) settle() {
	defer ss.begin()
	s := ss.s
	if n := s.deny.Load(); n > 0 && rand.Int64N(100) < n {
		s.deferred.Add(1)
		ss.say("451 4.3.0 Try again later")
		return
	}
	if ss.want != "" && ss.want != fmt.Sprintf("%08x", ss.sum) {
		s.torn.Add(1)
	}
	if ss.id != "" {
		s.mu.Lock()
		s.seen[ss.id] = append(s.seen[ss.id], ss.rcpts...)
		s.mu.Unlock()
	}
	s.messages.Add(1)
	s.recipients.Add(int64(len(ss.rcpts)))
	s.octets.Add(ss.size)
	s.signatures.Add(ss.sigs)
	s.last.Store(time.Now().UnixNano())
	ss.say("250 Ok")
}

// path takes the address out of "TO:<address> parameters".
func path(arg string) string {
	_, rest, _ := strings.Cut(arg, "<")
	addr, _, _ := strings.Cut(rest, ">")
	return addr
}

var _ io.Closer = (*Sink)(nil)
