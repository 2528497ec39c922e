package bolt

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/internal/failpoint"
)

// Options says where the spool or the books lie and how they are kept.
type Options struct {
	// Dir is the data directory; it is made (0700) when it is not there.
	Dir string
	// Lane is the slice of the queue that this process owns, 0 to 4095.
	Lane uint16
	// Log gets what an operator must know; nil discards.
	Log *slog.Logger
	// Metrics gets the metrics of the store; nil leaves them unregistered.
	Metrics prometheus.Registerer
	// Reserve is the room on disk in octets that Append never touches, so that
	// Commit works on a full disk. 0 is DefaultReserve, negative is none.
	Reserve int64
	// MaxSmall is the most octets of content that lie in a segment; longer
	// content gets a file of its own. 0 is DefaultMaxSmall.
	MaxSmall int
	// Memory is the most octets of content on its way in that are held in memory,
	// of all messages together; what is beyond goes to files as large content
	// does. 0 is DefaultMemory.
	Memory int64
	// KeepFor is how long after acceptance the record of a message with Keep is
	// known, though its last recipient is final. 0 is DefaultKeepFor, negative
	// keeps none.
	KeepFor time.Duration
	// KeepBytes bounds the octets of those records; the oldest go first. 0 is
	// DefaultKeepBytes.
	KeepBytes int64
	// Journal is how large a segment of the journal may grow in octets before what it
	// holds is written into the database, and the next is begun. On a small disk it is
	// less. 0 is DefaultJournal.
	Journal int64
	// Failpoints are for tests; nil has none. Their names are in docs/states.md.
	Failpoints *failpoint.Set
}

// Defaults of Options.
const (
	DefaultReserve  = 32 << 20
	DefaultMaxSmall = 256 << 10
	DefaultMemory   = 64 << 20
	// DefaultKeepFor is longer than hosts take to send a bounce, and than most people
	// take to complain.
	DefaultKeepFor   = 30 * 24 * time.Hour
	DefaultKeepBytes = 1 << 30
	DefaultJournal   = 64 << 20
)

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Reserve == 0 {
		o.Reserve = DefaultReserve
	}
	o.Reserve = max(o.Reserve, 0)
	if o.MaxSmall <= 0 {
		o.MaxSmall = DefaultMaxSmall
	}
	if o.Journal <= 0 {
		o.Journal = DefaultJournal
	}
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	if o.KeepFor == 0 {
		o.KeepFor = DefaultKeepFor
	}
	o.KeepFor = max(o.KeepFor, 0)
	if o.KeepBytes <= 0 {
		o.KeepBytes = DefaultKeepBytes
	}
	return o
}
