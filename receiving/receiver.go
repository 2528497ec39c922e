package receiving

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/sesame-mta/sesame/dispatch"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/smtpd"
)

// Messages remembers what has left; *queue.Queue.
type Messages interface {
	// Kept gives a message; queue.ErrNotFound when it is not known any more.
	Kept(ctx context.Context, id mail.ID) (*queue.Message, error)
}

// Dispatcher is told what came back; *dispatch.Dispatcher.
type Dispatcher interface {
	Feedback(ctx context.Context, f dispatch.Feedback) error
}

// DNS looks up the keys of providers.
type DNS interface {
	TXT(ctx context.Context, name string) ([]string, error)
}

// Options is what a Receiver needs. Hostname, Domain, Minter, Messages, Dispatch
// and Submit must be set.
type Options struct {
	Hostname string
	Domain   string // the service domain
	// ServesMailFrom tells the other domains whose mail comes to us; nil is none.
	ServesMailFrom func(domain string) bool
	// Postmaster reads what people write to postmaster@ and abuse@; without one
	// they are told so.
	Postmaster mail.ForwardPath
	// Providers are the domains and addresses whose complaints count.
	Providers []string
	DNS       DNS // nil: no complaint counts
	Minter    *mail.Minter
	Messages  Messages
	Dispatch  Dispatcher
	Submit    event.Submitter
	Keys      func() []string // DKIM keys of Domain; nil is none
	// Forwards reports whether the sender of a message is told of an event by mail
	// (spec section 6.5); nil is always.
	Forwards func(t event.Type, m *queue.Message) bool
	// Forgive takes back that a recipient complained; nil does nothing.
	Forgive func(ctx context.Context, account string, to mail.Address) error
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Receiver takes mail from anybody. It is safe for concurrent use.
type Receiver struct {
	o         Options
	providers []provider
	metrics   metrics
	// fronts is the memory for the first octets of each message, rests that for what
	// is beyond: reports are short, and long mail that comes slowly holds up none.
	fronts, rests *semaphore.Weighted
	people        people
}

var _ smtpd.Inbound = (*Receiver)(nil)

// New makes a receiver.
func New(o Options) *Receiver {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Hostname, o.Domain = strings.ToLower(o.Hostname), strings.ToLower(o.Domain)
	return &Receiver{o: o, providers: readProviders(o.Providers), metrics: newMetrics(o.Metrics),
		fronts: semaphore.NewWeighted(maxFronts), rests: semaphore.NewWeighted(maxMemory - maxFronts)}
}

// maxContent is how much of a message is kept: reports stand at the front, and what
// follows is the mail that they return. Of a complaint all is needed, to check its
// signature. maxMemory is how much is kept of all messages at a time, maxFronts what
// of that is for the fronts.
const (
	maxContent = 8 << 20
	maxMemory  = 64 << 20
	maxFronts  = 16 << 20
	front      = 256 << 10
	piece      = 64 << 10
)

// letter is mail that has come.
type letter struct {
	from    mail.ReversePath
	to      []mail.ForwardPath
	content []byte
	cut     bool // there was more
}

// read takes the content to its end and keeps the front of it. The caller gives
// the memory up with done.
func (r *Receiver) read(content io.Reader) (kept []byte, cut bool, done func(), err error) {
	held := int64(0)
	done = func() {
		r.fronts.Release(min(held, front))
		r.rests.Release(max(held-front, 0))
	}
	full := false
	buf := make([]byte, 32<<10)
	for {
		n, err := content.Read(buf)
		take := min(n, maxContent-len(kept))
		cut = cut || take < n
		for !full && int64(len(kept)+take) > held {
			pool := r.fronts
			if held >= front {
				pool = r.rests
			}
			// Nobody waits for memory: a host that is slow would have others wait.
			if full = !pool.TryAcquire(piece); !full {
				held += piece
			}
		}
		if !full {
			kept = append(kept, buf[:take]...)
		}
		switch {
		case err == io.EOF && full:
			return nil, false, done, errBusy.WithCause(&mail.Limit{Name: mail.LimitFeedbackMemory, Whose: "server",
				Used: maxMemory, Max: maxMemory, Unit: "octets of mail that comes back"})
		case err == io.EOF:
			return kept, cut, done, nil
		case err != nil:
			return nil, false, done, err
		}
	}
}
