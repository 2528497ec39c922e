package daemon

import (
	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/queue"
)

// count counts an event for the counters of a message's configuration set.
func (d *Daemon) count(m *queue.Message, t event.Type, n int) {
	if m.ConfigSet != "" {
		d.counters.Count(d.destinations.Of(destination.Owner{Account: m.Account, Set: m.ConfigSet}), words[t], n, func() (*event.Mail, error) { return event.ReadMail(m.ID, m.Account, m.Mail) })
	}
}
