package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/queue"
)

// Spool is where bodies lie until they are answered: small ones in memory, as
// long as there are not too many, the others in files that go at the next start.
type Spool interface {
	Draft(ctx context.Context) (queue.Draft, error)
	Room(size int64) error
}

// Body is the whole body of a call, which was received and found signed. It can
// be read as often as it takes.
type Body interface {
	io.ReaderAt
	Size() int64
}

// How a client may take its time: so long for each part of a body, and for all of
// it so long and a second for each 16 KB.
const (
	bodyIdle = 30 * time.Second
	bodyRate = 16 << 10 // octets a second
)

// bodyBuf is the size of one read in octets.
const bodyBuf = 32 << 10

var errTooLarge = TooLarge("Request entity is too large.")

// receive reads the body of r into the spool and hashes it. The caller discards the
// draft. After an error there is nothing left to be read.
func (d *Door) receive(w http.ResponseWriter, r *http.Request, max int64) (queue.Draft, [sha256.Size]byte, error) {
	var sum [sha256.Size]byte
	draft, err := d.draft(r, max)
	if err != nil {
		d.turnAway(w, r, max)
		return nil, sum, err
	}
	h := sha256.New()
	in := &paced{body: r.Body, control: http.NewResponseController(w), start: time.Now()}
	buf := d.bufs.Get().(*[bodyBuf]byte)
	defer d.bufs.Put(buf)
	for {
		n, err := in.Read(buf[:])
		if draft.Size()+int64(n) > max {
			draft.Discard()
			d.drain(w, r, max)
			return nil, sum, errTooLarge
		}
		h.Write(buf[:n])
		if _, err := draft.Write(buf[:n]); err != nil {
			draft.Discard()
			d.drain(w, r, max)
			return nil, sum, noRoom(err)
		}
		switch {
		case errors.Is(err, io.EOF):
			in.done()
			h.Sum(sum[:0])
			return draft, sum, nil
		case err != nil:
			draft.Discard()
			in.cut(w)
			return nil, sum, Unreadable("The request body ended too early.").WithCause(err)
		}
	}
}

// draft begins a body, if there is room for what the client says is its size.
func (d *Door) draft(r *http.Request, max int64) (queue.Draft, error) {
	if r.ContentLength > max {
		return nil, errTooLarge
	}
	if r.ContentLength > 0 {
		if err := d.o.Spool.Room(r.ContentLength); err != nil {
			return nil, noRoom(err)
		}
	}
	draft, err := d.o.Spool.Draft(r.Context())
	if err != nil {
		return nil, Unavailable("Temporary service failure").WithCause(err)
	}
	return draft, nil
}

func noRoom(err error) error { return Unavailable("Insufficient system storage").WithCause(err) }

// turnAway ends a call whose body is not wanted. A client that asks first need not
// send it (RFC 9110 section 10.1.1).
func (d *Door) turnAway(w http.ResponseWriter, r *http.Request, max int64) {
	if strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		w.Header().Set("Connection", "close")
		return
	}
	d.drain(w, r, max)
}

// drain reads what is left of a body that is refused, so that the client, which
// may read only after it has written, sees why. It takes no more than a good body
// would; then the connection ends with the answer.
func (d *Door) drain(w http.ResponseWriter, r *http.Request, max int64) {
	in := &paced{body: r.Body, control: http.NewResponseController(w), start: time.Now()}
	buf := d.bufs.Get().(*[bodyBuf]byte)
	defer d.bufs.Put(buf)
	n, err := io.CopyBuffer(onlyWriter{io.Discard}, io.LimitReader(in, max), buf[:])
	in.done()
	if err != nil || n == max {
		in.cut(w)
	}
}

// onlyWriter keeps io.CopyBuffer to the buffer that it was given.
type onlyWriter struct{ io.Writer }

// paced reads from a client that must get on.
type paced struct {
	body    io.Reader
	control *http.ResponseController
	start   time.Time
	read    int64
}

func (p *paced) Read(b []byte) (int, error) {
	now := time.Now()
	end := p.start.Add(bodyIdle + time.Duration(p.read/bodyRate)*time.Second)
	if idle := now.Add(bodyIdle); idle.Before(end) {
		end = idle
	}
	_ = p.control.SetReadDeadline(end) // a test's recorder has none
	n, err := p.body.Read(b)
	p.read += int64(n)
	return n, err
}

// done takes the deadline away: one that passes while the call is answered would
// end it.
func (p *paced) done() { _ = p.control.SetReadDeadline(time.Time{}) }

// cut ends the connection with the answer: net/http would wait for the rest of the
// body, however long that takes.
func (p *paced) cut(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	_ = p.control.SetReadDeadline(time.Unix(1, 0))
}

func newBufs() *sync.Pool {
	return &sync.Pool{New: func() any { return new([bodyBuf]byte) }}
}
