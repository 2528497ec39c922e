package template

import (
	"container/list"
	"sync"
)

// maxCached bounds the templates that are kept ready, in octets.
const maxCached = 32 << 20

// cache keeps the templates ready that were used last. The zero value is ready.
type cache struct {
	mu     sync.Mutex
	at     map[[2]string]*list.Element // by account and name
	recent list.List                   // of *Ready, most recently used in front
	octets int
}

// get gives a template in the version that counts, or nil.
func (c *cache) get(accountID, name string, version uint64) *Ready {
	c.mu.Lock()
	defer c.mu.Unlock()
	el := c.at[[2]string{accountID, name}]
	if el == nil {
		return nil
	}
	r, _ := el.Value.(*Ready)
	if r.version != version {
		c.drop(el)
		return nil
	}
	c.recent.MoveToFront(el)
	return r
}

func (c *cache) put(r *Ready) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil {
		c.at = map[[2]string]*list.Element{}
	}
	key := [2]string{r.Account, r.Name}
	if el := c.at[key]; el != nil {
		c.drop(el)
	}
	c.at[key] = c.recent.PushFront(r)
	c.octets += r.size()
	for c.octets > maxCached {
		c.drop(c.recent.Back())
	}
}

func (c *cache) drop(el *list.Element) {
	r, _ := c.recent.Remove(el).(*Ready)
	delete(c.at, [2]string{r.Account, r.Name})
	c.octets -= r.size()
}
