#include "graph/state.h"

#include <cstring>
#include <vector>

#include "base/error.h"

namespace propane {

State::Tensor& State::get(const std::string& name, const Type& type, Device& device) {
  auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    Tensor tensor{type, &device, device.allocate(type.bytes()), 1, {}};
    if (tensor.buffer->host) {
      std::memset(tensor.buffer->host, 0, type.bytes());
    } else {
      const std::vector<std::byte> zeros(type.bytes());
      device.upload({tensor.buffer.get(), 0}, zeros.data(), zeros.size());
    }
    found = tensors_.emplace(name, std::move(tensor)).first;
  }
  Tensor& tensor = found->second;
  if (!(tensor.type == type)) fail("state '{}' is {}, asked for as {}", name, tensor.type.str(), type.str());
  if (tensor.device != &device)
    fail("state '{}' lives on {}, asked for on {}", name, tensor.device->info().name, device.info().name);
  return tensor;
}

State::Tensor& State::adopt(const std::string& name, const Type& type, Device& device, std::shared_ptr<Buffer> buffer) {
  if (buffer->bytes != type.bytes())
    fail("state '{}' is {}, {} bytes; a buffer of {} was given", name, type.str(), type.bytes(), buffer->bytes);
  const auto [found, fresh] = tensors_.emplace(name, Tensor{type, &device, std::move(buffer), 1, {}});
  if (!fresh) fail("there is a state named '{}' already", name);
  return found->second;
}

const State::Tensor* State::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

State::Tensor* State::find(const std::string& name) {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

State::Tensor& State::at(const std::string& name) {
  Tensor* tensor = find(name);
  if (!tensor) fail("there is no state named '{}'", name);
  return *tensor;
}

void State::set(const std::string& name, const void* data) {
  Tensor& tensor = at(name);
  tensor.device->upload({tensor.buffer.get(), 0}, data, tensor.type.bytes());
  ++tensor.version;
}

void State::read(const std::string& name, void* data) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail("there is no state named '{}'", name);
  const Tensor& tensor = found->second;
  if (!tensor.buffer) fail("the plain form of state '{}' has been given back", name);
  tensor.device->wait();
  tensor.device->download(data, {tensor.buffer.get(), 0}, tensor.type.bytes());
}

void* State::host(const std::string& name) {
  Tensor& tensor = at(name);
  if (!tensor.buffer || !tensor.buffer->host)
    fail("state '{}' on {} is out of the host's reach", name, tensor.device->info().name);
  return tensor.buffer->host;
}

void State::release(const std::string& name) { at(name).buffer = nullptr; }

}  // namespace propane
