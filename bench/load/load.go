// Package load is an SMTP client that sends as many messages as a server will
// take, and remembers which of them were acknowledged. It writes an id into
// each (bench/sink counts them), measures how long the final reply takes, and
// speaks raw SMTP, so that it costs little beside the server it measures.
package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sesame-mta/sesame/bench/sink"
)

// TLSMode says how a connection is secured.
type TLSMode int

// The ways to secure a connection.
const (
	Clear    TLSMode = iota + 1 // no TLS
	StartTLS                    // STARTTLS after EHLO
	Implicit                    // TLS from the first octet
)

// Options say what to send. Addr is required.
type Options struct {
	Addr string
	// Run is the first part of every id; make it differ between runs.
	Run string
	// Connections at once; 1 when zero.
	Connections int
	// PerConnection is the number of messages before a connection is made anew;
	// 0 never does.
	PerConnection int
	// Messages in all; 0 means until Duration is over.
	Messages int64
	Duration time.Duration
	// Size of a message in octets, header section and line ends counted; 2048
	// when zero.
	Size int
	// Recipients of each message; 1 when zero.
	Recipients int
	// Spread is how many recipients there are that messages go to by turns; 0 is
	// always the same.
	Spread int64
	// From is the reverse-path and the From field; Domain is that of the
	// recipients, who are r0, r1 and so on there.
	From, Domain string
	// Domains is how many domains the messages go to by turns: d0, d1 and so on
	// under Domain; 0 is Domain itself.
	Domains int64
	// Logins are used by turns, one for each connection, in the place of User,
	// Password and From.
	Logins []Login
	// TLS is Clear when zero.
	TLS TLSMode
	// User and Password are for AUTH PLAIN; none without a user.
	User, Password string
	// Pipelining sends MAIL, RCPT and DATA at once to a server that offers it.
	// Chunking sends the content with them by BDAT.
	Pipelining, Chunking bool
	// API, unless nil, sends by HTTP in the place of SMTP, in clear text.
	API *API
	// Reconnect goes on after a broken connection, as long as the run lasts; else
	// it ends the run with an error.
	Reconnect bool
	// Timeout is how long a message may take; a minute when zero.
	Timeout time.Duration
}

// Login is who a connection is, and what it sends from.
type Login struct{ User, Password, From string }

// Result is what a run did.
type Result struct {
	Accepted int64 `json:"accepted"`
	// Refused messages got a 4xx or 5xx; LastRefusal is the latest of these.
	Refused     int64  `json:"refused"`
	LastRefusal string `json:"last_refusal,omitempty"`
	Broken      int64  `json:"broken"` // connections
	// Elapsed is from the start to the last acknowledgement.
	Elapsed time.Duration `json:"elapsed_ns"`
	// P50, P99 and Max are of the time from the last octet of the content to the
	// final reply.
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
	// Start is when the run began.
	Start time.Time `json:"start"`
	// Acknowledged holds a sink.Key per accepted message and recipient.
	Acknowledged []string `json:"-"`
}

// run is the shared state of the workers.
type run struct {
	o    Options
	next atomic.Int64
	turn atomic.Int64 // of Logins
	end  time.Time
	fill []byte // the body
	sum  string
}

// ack is one message that was accepted.
type ack struct {
	id string
	n  int64
}

// worker is one connection after another.
type worker struct {
	*run
	conn net.Conn
	r    *bufio.Reader
	buf  []byte
	sent int // on this connection
	// signer signs calls of the API.
	signer *signer
	n      int64 // of the message
	who    Login
	pipe   bool // the server offers PIPELINING, and it is wanted

	acks            []ack
	times           []time.Duration
	last            time.Time
	refused, broken int64
	refusal         string
}

// errStop ends a worker for good: the server's answer makes going on pointless.
var errStop = errors.New("server refused the session")

// Run sends and returns when all is sent, the duration is over or ctx ends.
func Run(ctx context.Context, o Options) (*Result, error) {
	o = withDefaults(o)
	start := time.Now()
	ru := &run{o: o, end: start.Add(24 * time.Hour), fill: []byte(body(o.Size))}
	ru.sum = fmt.Sprintf("%08x", crc32.ChecksumIEEE(ru.fill))
	if o.Duration > 0 {
		ru.end = start.Add(o.Duration)
	}
	if o.Messages == 0 && o.Duration == 0 {
		return nil, errors.New("neither a number of messages nor a duration")
	}
	workers := make([]*worker, o.Connections)
	errs := make([]error, o.Connections)
	var wg sync.WaitGroup
	for i := range workers {
		w := &worker{run: ru}
		workers[i] = w
		wg.Go(func() { errs[i] = w.loop(ctx) })
	}
	wg.Wait()
	return gather(start, workers), errors.Join(errs...)
}

func withDefaults(o Options) Options {
	o.Connections = max(o.Connections, 1)
	o.Recipients = max(o.Recipients, 1)
	if o.Size == 0 {
		o.Size = 2048
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.TLS == 0 {
		o.TLS = Clear
	}
	if o.Run == "" {
		o.Run = strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	if o.From == "" {
		o.From = "bench@example.com"
	}
	if o.Domain == "" {
		o.Domain = "example.net"
	}
	return o
}

// body is text of about size octets in lines of 72.
func body(size int) string {
	const line = "It was a bright cold day in April, and the clocks struck as they should.\r\n"
	n := max(size-260, 2) // less the header section
	return strings.Repeat(line, n/len(line)+1)[:n-2] + "\r\n"
}

func gather(start time.Time, workers []*worker) *Result {
	res := &Result{Start: start}
	var times []time.Duration
	last := start
	for _, w := range workers {
		for _, a := range w.acks {
			w.n = a.n
			for i := range w.o.Recipients {
				res.Acknowledged = append(res.Acknowledged, sink.Key(a.id, w.rcpt(i)))
			}
		}
		res.Accepted += int64(len(w.times))
		res.Refused += w.refused
		res.Broken += w.broken
		if w.refusal != "" {
			res.LastRefusal = w.refusal
		}
		times = append(times, w.times...)
		if w.last.After(last) {
			last = w.last
		}
	}
	res.Elapsed = last.Sub(start)
	if len(times) > 0 {
		slices.Sort(times)
		res.P50, res.P99, res.Max = times[len(times)/2], times[len(times)*99/100], times[len(times)-1]
	}
	return res
}

func (w *worker) loop(ctx context.Context) error {
	defer w.quit()
	for ctx.Err() == nil && time.Now().Before(w.end) {
		n := w.next.Add(1)
		if w.o.Messages > 0 && n > w.o.Messages {
			return nil
		}
		err := w.one(ctx, n)
		if err == nil {
			continue
		}
		w.broken++
		w.drop()
		if ctx.Err() != nil {
			return nil
		}
		if !w.o.Reconnect {
			return err
		}
		// The server may be on its way up: do not spin.
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// one sends message n, on a new connection when it must.
func (w *worker) one(ctx context.Context, n int64) error {
	if w.o.PerConnection > 0 && w.sent >= w.o.PerConnection {
		w.quit()
	}
	if w.conn == nil {
		if err := w.connect(ctx); err != nil {
			return err
		}
	}
	if err := w.conn.SetDeadline(time.Now().Add(w.o.Timeout)); err != nil {
		return err
	}
	w.sent++
	w.n = n
	id := w.o.Run + "-" + strconv.FormatInt(n, 10)
	return w.message(id)
}

// message makes one transaction. A refusal is counted and is no error; an error
// ends the connection.
func (w *worker) message(id string) error {
	transaction := w.transaction
	if w.o.API != nil {
		transaction = w.call
	}
	accepted, sent, err := transaction(w.header(id))
	if err != nil {
		return err
	}
	if !accepted && w.o.API != nil {
		return nil
	}
	if !accepted {
		_, err := w.command([]byte("RSET\r\n"), 250)
		return err
	}
	w.last = time.Now()
	w.times = append(w.times, w.last.Sub(sent))
	w.acks = append(w.acks, ack{id, w.n})
	return nil
}

// transaction reports whether the content was accepted, and when its last octet
// was sent.
func (w *worker) transaction(header []byte) (accepted bool, sent time.Time, err error) {
	commands := []string{"MAIL FROM:<" + w.who.From + ">\r\n"}
	for i := range w.o.Recipients {
		commands = append(commands, "RCPT TO:<"+w.rcpt(i)+">\r\n")
	}
	if !w.pipe {
		for _, c := range commands {
			if ok, err := w.command([]byte(c), 250); !ok {
				return false, sent, err
			}
		}
	}
	b := w.buf[:0]
	if w.pipe {
		for _, c := range commands {
			b = append(b, c...)
		}
	}
	if w.o.Chunking {
		b = append(b, "BDAT "+strconv.Itoa(len(header)+len(w.fill))+" LAST\r\n"...)
		b = append(b, header...)
	} else {
		b = append(b, "DATA\r\n"...)
	}
	if w.o.Chunking {
		err = w.write(b, "")
	} else {
		_, err = w.conn.Write(b)
		w.buf = b
	}
	if err != nil {
		return false, sent, err
	}
	sent = time.Now()
	all := true
	if w.pipe {
		for range commands {
			ok, err := w.expect(250)
			if err != nil {
				return false, sent, err
			}
			all = all && ok
		}
	}
	if !w.o.Chunking {
		if ok, err := w.expect(354); !ok {
			return false, sent, err
		}
		// After 354 the content must be sent, even if a recipient was refused.
		if err := w.write(append(w.buf[:0], header...), ".\r\n"); err != nil {
			return false, sent, err
		}
		sent = time.Now()
	}
	ok, err := w.expect(250)
	return ok && all, sent, err
}

// write sends what stands before the body, the body and what stands after it: a
// small one at once, a large one without copying it.
func (w *worker) write(before []byte, after string) error {
	if len(w.fill) <= 16<<10 {
		w.buf = append(append(before, w.fill...), after...)
		_, err := w.conn.Write(w.buf)
		return err
	}
	w.buf = before
	for _, b := range [][]byte{before, w.fill, []byte(after)} {
		if _, err := w.conn.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// orElse gives err, or otherwise when there is none.
func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func (w *worker) rcpt(i int) string {
	n := int64(i)
	if w.o.Spread > 0 {
		n = (n + w.n*7919) % w.o.Spread // far from the one before, as keys on disk go
	}
	domain := w.o.Domain
	if w.o.Domains > 0 {
		domain = "d" + strconv.FormatInt(w.n%w.o.Domains, 10) + "." + domain
	}
	return "r" + strconv.FormatInt(n, 10) + "@" + domain
}

func (w *worker) header(id string) []byte {
	return []byte("From: <" + w.who.From + ">\r\nTo: <" + w.rcpt(0) + ">\r\nSubject: bench " + id +
		"\r\nDate: " + time.Now().Format(time.RFC1123Z) +
		"\r\nMessage-ID: <" + id + "@bench.example.com>\r\n" + sink.IDField + ": " + id + "\r\n" +
		sink.SumField + ": " + w.sum + "\r\n\r\n")
}
