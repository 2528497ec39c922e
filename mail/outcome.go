package mail

import "time"

// Result is what an attempt came to for one recipient.
type Result int

// The results. Unknown means temporary, so there is no fourth.
const (
	Delivered Result = iota + 1 // the remote host took responsibility (2xx to the final dot)
	Deferred                    // a transient failure: try again later
	Failed                      // a permanent failure: tell the sender
)

// String gives the word used in logs, metrics and commands.
func (r Result) String() string {
	switch r {
	case Delivered:
		return "delivered"
	case Deferred:
		return "deferred"
	case Failed:
		return "failed"
	}
	return "unknown"
}

// Outcome is what became of one recipient in one attempt.
type Outcome struct {
	Result Result
	// Reply is the remote host's last word, or ours when there was none.
	Reply Reply
	// Remote is true when Reply came over the wire from Host.
	Remote bool
	// Host is the name of the MX host asked last, Addr its network address
	// with the port; both empty when none was reached.
	Host, Addr string
	// Source names the egress source; empty is the kernel's choice. Local is the
	// address that the connection came from, without port; empty when there was none.
	Source, Local string
	// TLS is the negotiated version ("TLSv1.3"), empty in clear text.
	TLS string
	// Uncertain: the connection died after the final dot, before the reply.
	// The message may have been delivered and will be sent again.
	Uncertain bool
	// Dur is how long the attempt took.
	Dur time.Duration
}
