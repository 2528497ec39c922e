package dispatch

import (
	"slices"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/queue"
)

// attemptTypes are the types of event that an attempt may come to.
var attemptTypes = [...]event.Type{event.Delivery, event.DeliveryDelay, event.Bounce, event.Complaint}

// tells reports whether there is anybody of whom an event of a type tells.
func tells(t event.Type, verdicts []verdict) bool {
	return slices.ContainsFunc(verdicts, func(v verdict) bool { return v.event() == t })
}

// told gives those of whom an event of a type tells.
func told(m *queue.Message, t event.Type, verdicts []verdict) (rs []event.Recipient) {
	for i := range verdicts {
		if v := &verdicts[i]; v.event() == t {
			rs = append(rs, v.recipient(m))
		}
	}
	return rs
}

// observe tells the observer of verdicts that are on stable storage.
func (d *Dispatcher) observe(m *queue.Message, verdicts []verdict) {
	if d.o.Observe == nil {
		return
	}
	for _, t := range attemptTypes {
		if tells(t, verdicts) {
			d.o.Observe(m, t, told(m, t, verdicts), false)
		}
	}
}
