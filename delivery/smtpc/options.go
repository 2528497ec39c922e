package smtpc

import (
	"sync"
	"time"
)

// Options says how a Client behaves.
type Options struct {
	// Hostname is our name in EHLO.
	Hostname string
	// Timeouts bound each phase; zero fields take their defaults.
	Timeouts Timeouts
	// Send8BitAnyway sends 8-bit content to a host that does not offer
	// 8BITMIME, against RFC 6152 section 3.
	Send8BitAnyway bool
	// AuthInClear allows AUTH without TLS.
	AuthInClear bool
	// NoChunking sends with DATA even where BDAT is offered.
	NoChunking bool
	// Buffers is shared by the clients of one owner; nil gives the client its own.
	Buffers *Buffers
}

// Timeouts bounds how long each phase may take in all, so that a host that
// sends one octet at a time gains nothing. The defaults are the least values
// that RFC 5321 section 4.5.3.2 allows.
type Timeouts struct {
	Greeting time.Duration // the 220; default 5m
	Hello    time.Duration // EHLO, STARTTLS, AUTH and RSET; default 5m
	TLS      time.Duration // the handshake; default 1m, since falling back is cheap
	Mail     time.Duration // MAIL; default 5m
	Rcpt     time.Duration // each RCPT; default 5m
	Data     time.Duration // the 354; default 2m
	Block    time.Duration // each write of at most 64 KB; default 3m
	Done     time.Duration // the reply to the whole message; default 10m
	Quit     time.Duration // QUIT; default 2s, since nobody needs its reply
}

func (t Timeouts) withDefaults() Timeouts {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&t.Greeting, 5*time.Minute)
	set(&t.Hello, 5*time.Minute)
	set(&t.TLS, time.Minute)
	set(&t.Mail, 5*time.Minute)
	set(&t.Rcpt, 5*time.Minute)
	set(&t.Data, 2*time.Minute)
	set(&t.Block, 3*time.Minute)
	set(&t.Done, 10*time.Minute)
	set(&t.Quit, 2*time.Second)
	return t
}

// The sizes of the two buffers that sending a message takes.
const (
	outSize = 64 << 10
	inSize  = 32 << 10
)

// buffer is what one Send works in: out is what goes to the socket next, in is
// where content is read that must be looked at before it leaves.
type buffer struct {
	out []byte
	in  []byte
}

// Buffers lends the memory that sending a message takes. It is safe for
// concurrent use.
type Buffers struct{ pool sync.Pool }

// NewBuffers gives an empty stock.
func NewBuffers() *Buffers { return &Buffers{} }

func (b *Buffers) get() *buffer {
	if v, ok := b.pool.Get().(*buffer); ok {
		return v
	}
	return &buffer{out: make([]byte, 0, outSize), in: make([]byte, inSize)}
}

func (b *Buffers) put(v *buffer) {
	v.out = v.out[:0]
	b.pool.Put(v)
}
