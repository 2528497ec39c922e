package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/submission"
)

// Call is one authenticated request on its way to an operation.
type Call struct {
	// ID is the request id that the answer carries.
	ID string
	// Request is what came, but for its body, which was read.
	Request *http.Request
	Body    Body
	// Standing is who calls, with account and credential as they are now.
	auth.Standing
	// Origin is where the call came from, for the desk.
	Origin submission.Origin

	door *Door
}

// AccountID gives the 12-digit id of the caller's account.
func (c *Call) AccountID() string { return c.Account.ID }

// Spend takes one call from the caller's budget for calls that do not send; the
// rate of mail is the account's own. The error is Throttled.
func (c *Call) Spend() error {
	key := c.Credential.AccessKeyID
	if wait := c.door.rates.Take(key, callRate, 1, c.door.o.Now(), 0); wait > 0 {
		return Throttled("Rate exceeded")
	}
	return nil
}

// Admit says whether the caller may have an operation that does not send. One whose
// credential is for certain senders or recipients only may not change or see what
// belongs to the whole account. The error is Denied.
func (c *Call) Admit(operation string) error {
	t := c.Credential.Terms
	if len(t.From) == 0 && len(t.RecipientDomains) == 0 || slices.Contains(forAll, operation) {
		return nil
	}
	return Denied("This credential is not authorized to perform: " + operation)
}

// forAll are the operations that tell programs how much they may send.
var forAll = []string{"GetAccount", "GetAccountSendingEnabled", "GetSendQuota"}

// SpendLink takes one mail with a link from the budget of the caller's account, so
// that nobody floods strangers with them. The error is Throttled.
func (c *Call) SpendLink() error { return c.spend("link ", linkRate) }

// SpendKeys takes the making of keys from the budget of the caller's account; it is
// a lot of work. The error is Throttled.
func (c *Call) SpendKeys() error { return c.spend("keys ", keyRate) }

func (c *Call) spend(what string, rate float64) error {
	if wait := c.door.rates.Take(what+c.AccountID(), rate, 1, c.door.o.Now(), 0); wait > 0 {
		return Throttled("Rate exceeded")
	}
	return nil
}

// Rates a second of what an account may have done for it, and five times as much
// for a while.
const (
	linkRate = 1 // that of SES
	keyRate  = 2
)

// callRate is how many calls a second a key may make that do not send; for a while
// it may make five times as many. SES allows one.
const callRate = 100

// Load gives size octets of memory to a call that wants to read so many at once,
// and waits until they are to be had. The caller gives them back with done.
func (c *Call) Load(ctx context.Context, size int64) (done func(), err error) {
	if size <= freeOctets {
		return func() {}, nil
	}
	size = min(size, maxLoad)
	if err := c.door.memory.Acquire(ctx, size); err != nil {
		return nil, Unavailable("Temporary service failure").WithCause(err)
	}
	return func() { c.door.memory.Release(size) }, nil
}

// maxLoad bounds the octets of all calls that have more than freeOctets in memory
// each.
const (
	maxLoad    = 128 << 20
	freeOctets = 128 << 10
)
