package dispatch

import (
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/queue"
)

// attemptTypes are the types of event that an attempt may come to.
var attemptTypes = [...]event.Type{event.Delivery, event.DeliveryDelay, event.Bounce, event.Complaint}

// tells counts those of whom an event of a type tells.
func tells(t event.Type, verdicts []verdict) (n int) {
	for i := range verdicts {
		if verdicts[i].event() == t {
			n++
		}
	}
	return n
}

// told adds those of whom an event of a type tells.
func told(rs []event.Recipient, m *queue.Message, t event.Type, verdicts []verdict) []event.Recipient {
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
	rs, ok := d.lists.Get().(*[]event.Recipient) // the observer keeps nothing
	if !ok {
		rs = new([]event.Recipient)
	}
	defer d.lists.Put(rs)
	for _, t := range attemptTypes {
		if *rs = told((*rs)[:0], m, t, verdicts); len(*rs) > 0 {
			d.o.Observe(m, t, *rs, false)
			clear(*rs)
		}
	}
}
