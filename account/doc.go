// Package account is who may send, and what they own. It declares the directory
// that keeps accounts, credentials and identities, and holds a cache over it so
// that the door never waits for a disk. Branches: identity, configset.
// It does not know SMTP or HTTP, and never chooses a storage engine.
package account
