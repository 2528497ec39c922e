// Package trace keeps the life of each message for people: who brought it and
// what the rules said, each line of each attempt, what an operator did, what comes
// next. It owns its files under the data directory. It is off the mail's path:
// nothing waits for it, under pressure it loses records and says so, and a crash
// may cost the last second. It never sees a body or a password, and knows neither
// queue nor network.
package trace
