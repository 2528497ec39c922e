package queue

import (
	"slices"

	"github.com/sesame-mta/sesame/mail"
)

// claims is the entries of a line that are out on lease: their numbers, in order,
// by message.
type claims struct {
	of map[mail.ID][]int
	n  int // of all
}

// add claims entries that nobody has. They are of one message and in order, most
// often.
func (c *claims) add(entries ...Entry) {
	if c.of == nil {
		c.of = make(map[mail.ID][]int)
	}
	id := entries[0].ID
	ns := slices.Grow(c.of[id], len(entries))
	for i := range entries {
		n := entries[i].N
		if k := len(ns); k == 0 || ns[k-1] < n {
			ns = append(ns, n)
		} else if at, found := slices.BinarySearch(ns, n); !found {
			ns = slices.Insert(ns, at, n)
		} else {
			c.n--
		}
	}
	c.of[id] = ns
	c.n += len(entries)
}

func (c *claims) has(id mail.ID, n int) bool {
	_, found := slices.BinarySearch(c.of[id], n)
	return found
}

// remove ends the claim to entries of one message.
func (c *claims) remove(entries ...Entry) {
	id := entries[0].ID
	ns := c.of[id]
	for i := range entries {
		if at, found := slices.BinarySearch(ns, entries[i].N); found && at == 0 {
			ns, c.n = ns[1:], c.n-1
		} else if found {
			ns, c.n = slices.Delete(ns, at, at+1), c.n-1
		}
	}
	if len(ns) > 0 {
		c.of[id] = ns
		return
	}
	delete(c.of, id)
	if len(c.of) == 0 {
		c.of = nil // a map keeps the memory of its largest day
	}
}
