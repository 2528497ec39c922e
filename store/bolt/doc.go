// Package bolt is the embedded storage engine: it keeps the spool (queue.Spool),
// the event outbox (event.Outbox) and the books (account.Directory) in two bbolt
// files and a directory of large contents, on one machine. It is a branch of
// store and the only importer of bbolt.
//
// One goroutine, the committer, owns every write to the spool: it joins what
// waits into one transaction and answers when that is on stable storage. The
// formats on disk are in docs/adr/0001-spool-on-bolt.md, what a crash leaves at
// each step is in docs/states.md.
//
// It schedules nothing, looks inside no content, and never tries a failed sync
// again: after one it answers queue.ErrBroken until the process starts anew.
package bolt
