package bolt

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// maxTold bounds the damaged records that are remembered.
const maxTold = 1000

// damage tells of records that cannot be read, each once. They stay where they
// are, for Check and for whoever can mend them, and nothing waits for them.
type damage struct {
	log *slog.Logger

	mu   sync.Mutex
	told map[string]struct{} // by the words of where they lie
}

func (d *damage) tell(where string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.told[where]; ok || len(d.told) >= maxTold {
		return
	}
	if d.told == nil {
		d.told = make(map[string]struct{})
	}
	d.told[where] = struct{}{}
	d.log.Error("damaged record passed over", "text", where, "err", err)
	if len(d.told) == maxTold {
		d.log.Error("more damaged records are not told of, check the spool")
	}
}

func (d *damage) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.told)
}

// Where a record lies, in the words of the log and of Check.

func entryWhere(k []byte) string {
	if len(k) != entryKeySize {
		return fmt.Sprintf("entry %x", k)
	}
	id, n := splitEntryKey(k)
	return fmt.Sprintf("entry %d of %s", n, id)
}

func messageWhere(id mail.ID) string { return "message " + id.String() }

func dueWhere(k []byte) string { return fmt.Sprintf("schedule %x", k) }

func usageWhere(k []byte) string { return fmt.Sprintf("usage %x", k) }

func eventWhere(consumer string, k []byte) string { return fmt.Sprintf("outbox %s %x", consumer, k) }

// fits reports whether a header section lies in its content, and what is dropped
// from it in order inside. Whoever reads a message relies on it.
func fits(m *queue.Message, size int64) bool {
	at := int64(0)
	for _, s := range m.Edit.Drop {
		if int64(s.Off) < at {
			return false
		}
		at = int64(s.Off) + int64(s.Len)
	}
	return at <= m.HeaderSize && 0 <= m.HeaderSize && m.HeaderSize <= size
}
