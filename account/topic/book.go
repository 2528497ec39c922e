package topic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/destination"
)

// Options is what a Book is made from; all must be set.
type Options struct {
	Directory account.Directory
	// Region is the label in ARNs.
	Region string
	// Destinations keeps the subscriptions. It is opened after the topics, which
	// it asks for them.
	Destinations func() *destination.Book
	// Token gives the token that whoever subscribed shows to confirm it.
	Token func(destination.Destination) string
}

// Book is the topics of all accounts. It reads from memory; a change is on stable
// storage before it is seen, and is carried through even when its context ends. It
// is safe for concurrent use.
type Book struct {
	o      Options
	change sync.Mutex // one change at a time
	mu     sync.RWMutex
	topics map[string]map[string]Topic // by account and name
}

// Open reads the topics into memory.
func Open(ctx context.Context, o Options) (*Book, error) {
	b := &Book{o: o, topics: map[string]map[string]Topic{}}
	err := account.Each(ctx, o.Directory, account.KindTopic, func(r account.Record) error {
		t, err := decode(r)
		if err == nil {
			b.keep(t)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read topics: %w", err)
	}
	return b, nil
}

func (b *Book) keep(t Topic) {
	if b.topics[t.Account] == nil {
		b.topics[t.Account] = map[string]Topic{}
	}
	b.topics[t.Account][t.Name] = t
}

// Get gives a topic; account.ErrNotFound.
func (b *Book) Get(accountID, name string) (Topic, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	t, ok := b.topics[accountID][name]
	if !ok {
		return Topic{}, fmt.Errorf("topic %q: %w", name, account.ErrNotFound)
	}
	return t, nil
}

// List gives the topics of an account in the order of their names.
func (b *Book) List(accountID string) []Topic {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]Topic, 0, len(b.topics[accountID]))
	for _, t := range b.topics[accountID] {
		list = append(list, t)
	}
	slices.SortFunc(list, func(x, y Topic) int { return cmp.Compare(x.Name, y.Name) })
	return list
}

// Create makes a topic, or gives the one of that name that is there. A signature of
// 0 is version 1. It answers ErrName, ErrSignature or ErrTooMany.
func (b *Book) Create(ctx context.Context, accountID, name string, signature int) (Topic, error) {
	if !nameForm.MatchString(name) {
		return Topic{}, ErrName
	}
	signature = cmp.Or(signature, 1)
	if signature != 1 && signature != 2 {
		return Topic{}, ErrSignature
	}
	b.change.Lock()
	defer b.change.Unlock()
	if t, err := b.Get(accountID, name); err == nil {
		return t, nil
	}
	if len(b.List(accountID)) >= MaxTopics {
		return Topic{}, ErrTooMany
	}
	t := Topic{Account: accountID, Name: name, Created: time.Now().UTC().Truncate(time.Second), Signature: signature}
	r, err := t.record()
	if err != nil {
		return Topic{}, err
	}
	if r, err = b.o.Directory.Put(context.WithoutCancel(ctx), r); err != nil {
		return Topic{}, fmt.Errorf("keep topic: %w", err)
	}
	t.version = r.Version
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep(t)
	return t, nil
}

// Delete ends a topic and its subscriptions; one that is not there is no error.
// Destinations that lead to it stay, and tell nobody.
func (b *Book) Delete(ctx context.Context, accountID, name string) error {
	b.change.Lock()
	defer b.change.Unlock()
	t, err := b.Get(accountID, name)
	if err != nil {
		return nil
	}
	if err := b.o.Destinations().DeleteAll(ctx, owner(t)); err != nil {
		return err
	}
	r := account.Record{Kind: account.KindTopic, Account: accountID, Name: name, Version: t.version}
	if err := b.o.Directory.Delete(context.WithoutCancel(ctx), r); err != nil {
		return fmt.Errorf("delete topic %q: %w", name, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.topics[accountID], name)
	if len(b.topics[accountID]) == 0 {
		delete(b.topics, accountID)
	}
	return nil
}

// DeleteAll ends those of an account that is about to go.
func (b *Book) DeleteAll(ctx context.Context, accountID string) error {
	for _, t := range b.List(accountID) {
		if err := b.Delete(ctx, accountID, t.Name); err != nil {
			return err
		}
	}
	return nil
}

// owner is a topic as its subscriptions have it.
func owner(t Topic) destination.Owner { return destination.Owner{Account: t.Account, Topic: t.Name} }

// isNotFound reports whether something is not there.
func isNotFound(err error) bool { return errors.Is(err, account.ErrNotFound) }

// scheme reports whether an endpoint is of a protocol that there is.
func scheme(protocol, endpoint string) bool {
	return (protocol == "http" || protocol == "https") && strings.HasPrefix(strings.ToLower(endpoint), protocol+"://")
}
