package quota

import (
	"context"
	"time"
)

// Usage is what an account used of its daily quota.
type Usage struct {
	Used int64 // recipients that count at the time asked for
	// Frees is when fewer than the limit will count, or with room left when the
	// next recipients cease to count; zero when none do.
	Frees time.Time
}

// Ledger is the seam to the storage engine, which counts the recipients of the
// last 24 hours in the transactions of the messages themselves.
type Ledger interface {
	// Usage gives what an account, by its id, has used at a time. Of a limit 0
	// there is always room.
	Usage(ctx context.Context, account string, at time.Time, limit int64) (Usage, error)
}
