package admission

import (
	"context"

	"github.com/sesame-mta/sesame/mail"
)

// maxHops is the most Received fields a message may bring (RFC 5321 section 6.3
// asks for a large bound; decisions set 50).
const maxHops = 50

func hops(_ context.Context, c *Candidate) error {
	if c.Header.Count("Received") > maxHops {
		return mail.Refuse(554, 4, 6, "Too many hops: the message seems to go in a loop")
	}
	return nil
}
