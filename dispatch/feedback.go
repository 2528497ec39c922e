package dispatch

import (
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
)

// Feedback is what became known of a message after it had left: a bounce or a
// complaint that came back by mail, or a recipient's wish.
type Feedback struct {
	ID   mail.ID
	Type event.Type // Bounce, Complaint or Subscription
	Time time.Time
	// Recipients are those of the message that it is about.
	Recipients   []event.Recipient
	ReportingMTA string // of a bounce
	Report       *event.Report
	Change       *event.Change
}
