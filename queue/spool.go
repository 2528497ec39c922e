package queue

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// What a Spool may answer beside errors of its own.
var (
	ErrFull     = errors.New("no room on disk")              // nothing was kept
	ErrQuota    = errors.New("daily message quota exceeded") // nothing was kept
	ErrNotFound = errors.New("not in the queue")
	ErrRepeated = errors.New("committed before") // nothing was done again
	// ErrDamaged: what was kept cannot be read. It stays, and others go on.
	ErrDamaged = errors.New("damaged record")
	// ErrBroken: a sync failed; nothing more is accepted until a restart.
	ErrBroken = errors.New("spool is broken")
)

// Spool is the seam between the queue and the engine that keeps it. All methods
// are safe for concurrent use. An engine never schedules and calls nobody back.
// What every engine must pass is store/storetest.
type Spool interface {
	// Draft begins content. The caller appends or discards it.
	Draft(ctx context.Context) (Draft, error)

	// Append makes a message durable with its entries, charge and events, all
	// or nothing; on nil they are on stable storage. The same id again, or the
	// same account and key within 24 hours, changes nothing and gives the id
	// of the first. With EventsOnly the message itself is not kept. Errors that mean
	// nothing was kept: ErrFull, ErrQuota.
	Append(ctx context.Context, s Submission) (mail.ID, error)

	// Commit settles entries and keeps their events, all or nothing; on nil it
	// is durable. An entry that is not there, or is damaged, is passed over. With its last
	// entry a message goes, once no consumer needs its content; of one with Keep
	// the record stays for a time. Commit works on a full disk, from a reserve.
	// With a key and without entries it tells of a message that Kept finds, and
	// gives ErrNotFound for any other.
	Commit(ctx context.Context, s Settlement) error

	// Lines gives up to limit lines that have queued entries, in (domain,
	// account) order after the given one, each with the due time of its first.
	Lines(ctx context.Context, after Line, limit int) ([]LineDue, error)

	// Page gives queued entries of a line in (due, id) order, passing over
	// damaged ones, as Find and Load do. The engine tells of each.
	Page(ctx context.Context, line Line, p PageOptions) ([]Entry, error)

	// Load gives a message and those of its entries ns that still exist (all
	// when ns is empty). ErrNotFound when the message is gone, ErrDamaged when
	// it cannot be read.
	Load(ctx context.Context, id mail.ID, ns []int) (*Message, []Entry, error)

	// Kept gives a message as long as anything may come back for it: while it is
	// in the queue and, with Keep, for the time and within the room that the engine
	// was given for that, the oldest going first. What is needed only to send it
	// again is not kept. Errors are like those of Load.
	Kept(ctx context.Context, id mail.ID) (*Message, error)

	// Open gives the content as the client sent it, or an error like Load.
	Open(ctx context.Context, id mail.ID) (Content, error)

	// Find gives entries for operators, in (id, n) order.
	Find(ctx context.Context, f Filter) ([]Entry, error)

	// Alter changes entries for operators, durably, and gives those it changed
	// as they are now. Settling (cancel) goes through Commit instead.
	Alter(ctx context.Context, id mail.ID, ns []int, a Alteration) ([]Entry, error)

	// Depth counts what is in the queue; it is kept up to date, not counted.
	Depth() Depth

	// Room reports ErrFull or ErrBroken when an Append of size octets would be
	// refused now, without writing.
	Room(size int64) error

	// LastSeen gives the wall-clock time at which the spool was last in use
	// before this open; zero on the first.
	LastSeen() time.Time

	// Lane and Epoch of this holder: the epoch grows with every open.
	Lane() uint16
	Epoch() uint32
}

// Content is the octets of one message. ReadAt works from several goroutines.
type Content interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// LineDue is a line and when its first queued entry is due.
type LineDue struct {
	Line Line
	Due  time.Time
}

// PageOptions narrows a Page; zero fields do not narrow.
type PageOptions struct {
	DueBy     time.Time // due at or before it
	ExpiresBy time.Time // expiring at or before it
	Limit     int       // at most so many; must be positive
}

// Filter narrows a Find; zero fields do not narrow.
type Filter struct {
	ID      mail.ID
	Account string
	Domain  string
	State   State
	// AfterID and AfterN: only entries behind this one.
	AfterID mail.ID
	AfterN  int
	Limit   int // at most so many; must be positive
}

// Alteration is an operator's change to an entry.
type Alteration struct {
	State State     // zero leaves it
	Due   time.Time // zero leaves it
}

// Depth is what a queue holds.
type Depth struct {
	Messages   int64
	Recipients int64
	Held       int64
	// Free counts octets that an Append may still use, 0 when full.
	Free int64
}
