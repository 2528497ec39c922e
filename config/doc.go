// Package config is the configuration file: its keys, their defaults and the
// checks on their values. It reads one TOML file and says everything that is
// wrong with it at once.
// It does not know what the rooms do with the values, opens no other file but
// the smarthost's password when asked to, and does not read the environment.
// Only daemon and cmd import it.
package config
