// Package topic keeps the topics of accounts, as Amazon SNS has them: a name that
// destinations of events lead to, and who subscribed to it. It is a branch of
// account. It owns the topics, their ARNs and the agreement of subscribers; a
// subscription is a destination that belongs to the topic (account/destination).
// It does not know events, and tells nobody.
package topic
