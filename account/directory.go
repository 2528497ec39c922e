package account

import (
	"context"
	"errors"
)

// Kind parts the records of a directory. The numbers stand on disk.
type Kind uint8

// The kinds.
const (
	KindAccount     Kind = iota + 1 // name: 12-digit id
	KindCredential                  // name: access key id, unique over all accounts
	KindIdentity                    // name: domain or address
	KindConfigSet                   // name: that of the configuration set
	KindDestination                 // name: that of its owner and its own (account/destination)
	KindTopic                       // name: that of the topic
	KindTemplate                    // name: that of the template
	KindImport                      // name: id of the import (account/suppression/imports)
)

// What a Directory may answer beside errors of its own.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("changed or made by somebody else meanwhile")
)

// Record is one thing in the directory. Data is the owner's own encoding, with
// a version of its own; the engine does not look inside.
type Record struct {
	Kind    Kind
	Account string // 12 digits; the owner, also for KindAccount itself
	Name    string
	// Version is set by the engine and grows over the whole directory with
	// every change. Put compares it: 0 makes, anything else replaces.
	Version uint64
	Data    []byte
}

// Directory is the seam to the engine that keeps the books. All methods are safe
// for concurrent use; a change is on stable storage when the call returns nil.
type Directory interface {
	// Get gives ErrNotFound when there is none.
	Get(ctx context.Context, kind Kind, account, name string) (Record, error)
	// Put gives the record with its new version, or ErrConflict.
	Put(ctx context.Context, r Record) (Record, error)
	// Delete compares the version like Put; ErrConflict, ErrNotFound.
	Delete(ctx context.Context, r Record) error
	// List gives up to limit records of a kind in (account, name) order after
	// the given pair. An empty account lists all accounts.
	List(ctx context.Context, kind Kind, account string, after Record, limit int) ([]Record, error)
	// Since gives up to limit changes with a version above it, oldest first;
	// a record with nil Data was deleted.
	Since(ctx context.Context, version uint64, limit int) ([]Record, error)
}
