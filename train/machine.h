// Facts about the machine and the build, for reports and records.
#pragma once

#include <cstdint>
#include <string>

namespace propane::train {

struct MachineFacts {
  std::string cpu = {};       // "AMD EPYC 7B13"
  int cores = 0;              // that this process may use
  int64_t memory_bytes = 0;   // of the machine
  std::string os = {};        // "Debian GNU/Linux 12 (bookworm), Linux 6.1.0 x86_64"
  std::string compiler = {};  // "GCC 12.2.0"
  std::string version = {};   // of Propane
  std::string simd = {};      // the widest vector extension here: "AVX-512", "AVX2", "NEON", "none"
};

// Never fails; what cannot be found out is "unknown" or 0.
MachineFacts machine_facts();

// {cpu, cores, memory_bytes, os, compiler, version, simd}: machine.json of a run's folder.
std::string machine_json(const MachineFacts& facts);

// The most memory that this process has had resident so far, in bytes.
int64_t peak_resident_bytes();

}  // namespace propane::train
