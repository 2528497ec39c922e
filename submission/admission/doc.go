// Package admission holds the rules that a message must pass before it is
// accepted, one file each, and their order in one list. It is a part of
// submission, which gathers the facts; a rule only looks and answers.
// It opens no connection, keeps nothing of a message and changes nothing but the
// tokens of the rate; only the rule on attachments reads a body, as a stream.
package admission
