package suppression

import "context"

// Store is the seam to the engine that keeps the lists. All methods are safe for
// concurrent use; a change is all or nothing, and on stable storage when the call
// returns nil. What every engine must pass is in store/storetest.
type Store interface {
	// Get gives the entry of a list under a Key, or account.ErrNotFound.
	Get(ctx context.Context, owner, key string) (Entry, error)
	// Among gives the entries of a list that there are under Keys. It is asked
	// for all recipients before mail leaves, so it must be fast with a million
	// entries and never wait for a change.
	Among(ctx context.Context, owner string, keys []string) (map[string]Entry, error)
	// Put adds entries, or puts them in the place of those with their Keys.
	Put(ctx context.Context, entries []Entry) error
	// Delete takes the entries under Keys off a list; one that is not there is
	// passed over. It tells how many there were.
	Delete(ctx context.Context, owner string, keys []string) (int, error)
	// Page gives up to limit entries of a list in the order of their Keys behind
	// the given one.
	Page(ctx context.Context, owner, after string, limit int) ([]Entry, error)
}
