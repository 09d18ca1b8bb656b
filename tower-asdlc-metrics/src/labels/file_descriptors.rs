//! Lists the methods of gRPC services from their file descriptor sets.

use crate::error::BuildError;
use crate::labels::grpc_methods::GrpcMethods;
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

impl GrpcMethods {
    /// Creates the endpoint from the methods of all services in these file descriptor sets.
    ///
    /// A file descriptor set describes `.proto` files. `tonic-prost-build` writes it with `file_descriptor_set_path`,
    /// `tonic::include_file_descriptor_set!` includes it, and `tonic-reflection` serves it. List those of all services that the
    /// server has, of health and reflection too:
    ///
    /// ```
    /// use tower_asdlc_metrics::{BuildError, GrpcMethods, HttpMetricsLayer};
    /// # mod proto { pub const FILE_DESCRIPTOR_SET: &[u8] = tonic_health::pb::FILE_DESCRIPTOR_SET; }
    ///
    /// # fn build(provider: opentelemetry_sdk::metrics::SdkMeterProvider) -> Result<(), Box<dyn std::error::Error>> {
    /// const DESCRIPTORS: [&[u8]; 3] = [
    ///     proto::FILE_DESCRIPTOR_SET, // of this server: tonic::include_file_descriptor_set!("…")
    ///     tonic_health::pb::FILE_DESCRIPTOR_SET,
    ///     tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    /// ];
    /// let methods = GrpcMethods::from_file_descriptor_sets(&DESCRIPTORS)?;
    /// let layer = HttpMetricsLayer::builder(methods).build(&provider)?;
    ///
    /// let mut reflection = tonic_reflection::server::Builder::configure();
    /// for descriptors in DESCRIPTORS {
    ///     reflection = reflection.register_encoded_file_descriptor_set(descriptors);
    /// }
    /// let (_health, health_service) = tonic_health::server::health_reporter();
    /// let server = tonic::transport::Server::builder()
    ///     .layer(layer)
    ///     .add_service(health_service)
    ///     .add_service(reflection.build_v1()?);
    /// # Ok(()) }
    /// ```
    ///
    /// If a set also describes services that the server does not have, their methods are in the list too. Calls to them have
    /// their path as the endpoint, and `grpc_status="UNIMPLEMENTED"`.
    ///
    /// # Errors
    ///
    /// If one of the sets is not an encoded `google.protobuf.FileDescriptorSet`, is empty, or has a service or a method without a
    /// name. The message has the number of the set, starting with 1.
    pub fn from_file_descriptor_sets(sets: &[&[u8]]) -> Result<Self, BuildError> {
        let mut methods = Vec::new();
        for (index, set) in sets.iter().enumerate() {
            read(set, &mut methods).map_err(|reason| {
                let place = format_args!("{} of {}, {} bytes", index + 1, sets.len(), set.len());
                BuildError::invalid("file descriptor set", &place, reason)
            })?;
        }
        Ok(Self::new(methods))
    }
}

/// Adds the paths of all methods of a set; the error is the reason why it is invalid.
fn read(set: &[u8], methods: &mut Vec<String>) -> Result<(), String> {
    let set = FileDescriptorSet::decode(set)
        .map_err(|error| format!("is not a google.protobuf.FileDescriptorSet: {error}"))?;
    if set.file.is_empty() {
        return Err("has no file".to_owned());
    }
    set.file.iter().try_for_each(|file| read_file(file, methods))
}

fn read_file(file: &FileDescriptorProto, methods: &mut Vec<String>) -> Result<(), String> {
    let package = file.package();
    let dot = if package.is_empty() { "" } else { "." };
    for service in &file.service {
        if service.name().is_empty() {
            return Err(format!("the file {:?} has a service without a name", file.name()));
        }
        let service_name = format!("{package}{dot}{}", service.name());
        for method in &service.method {
            if method.name().is_empty() {
                return Err(format!("the service {service_name:?} has a method without a name"));
            }
            methods.push(format!("/{service_name}/{}", method.name()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost_types::{MethodDescriptorProto, ServiceDescriptorProto};

    const HEALTH: &[u8] = tonic_health::pb::FILE_DESCRIPTOR_SET;
    const REFLECTION: &[u8] = tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET;

    fn paths(set: &[u8]) -> Vec<String> {
        let mut methods = Vec::new();
        read(set, &mut methods).unwrap();
        methods
    }

    fn encoded(package: Option<&str>, service: &str, method: &str) -> Vec<u8> {
        let method = MethodDescriptorProto { name: Some(method.to_owned()), ..Default::default() };
        let name = Some(service.to_owned());
        let service = ServiceDescriptorProto { name, method: vec![method], ..Default::default() };
        let package = package.map(str::to_owned);
        let file = FileDescriptorProto {
            package,
            service: vec![service],
            ..FileDescriptorProto::default()
        };
        FileDescriptorSet { file: vec![file] }.encode_to_vec()
    }

    // X-10
    #[test]
    fn the_methods_of_a_set_are_listed_with_their_package_and_service() {
        assert_eq!(paths(HEALTH), ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"]);
        let info = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        assert_eq!(paths(REFLECTION), [info]);
        // A file without `package`: tonic routes to these paths.
        assert_eq!(paths(&encoded(None, "Greeter", "Hello")), ["/Greeter/Hello"]);
        assert_eq!(paths(&encoded(Some("a.b"), "Greeter", "Hello")), ["/a.b.Greeter/Hello"]);
    }

    // X-10
    #[test]
    fn an_invalid_set_is_one_error_that_names_it() {
        let error = |sets: &[&[u8]]| {
            GrpcMethods::from_file_descriptor_sets(sets).expect_err("it is invalid").to_string()
        };
        assert_eq!(
            error(&[HEALTH, b""]),
            "invalid file descriptor set 2 of 2, 0 bytes: has no file"
        );
        let not_protobuf = error(&[b"syntax = \"proto3\";"]);
        let start = "invalid file descriptor set 1 of 1, 18 bytes: is not a \
                     google.protobuf.FileDescriptorSet: ";
        assert!(not_protobuf.starts_with(start), "{not_protobuf}");
        let unnamed_service = error(&[&encoded(Some("a"), "", "Hello")]);
        assert!(unnamed_service.ends_with("a service without a name"), "{unnamed_service}");
        let unnamed_method = error(&[&encoded(Some("a"), "Greeter", "")]);
        let end = r#"the service "a.Greeter" has a method without a name"#;
        assert!(unnamed_method.ends_with(end), "{unnamed_method}");
    }

    // X-10: a set of one file is one message, so that no part of it is a set.
    #[test]
    fn every_truncation_of_a_set_is_an_error() {
        for set in [HEALTH, REFLECTION] {
            for len in 0..set.len() {
                let cut = GrpcMethods::from_file_descriptor_sets(&[&set[..len]]);
                assert!(cut.is_err(), "{len} of {} bytes", set.len());
            }
        }
    }

    proptest! {
        // X-10
        #[test]
        fn no_bytes_cause_a_panic(
            random in proptest::collection::vec(any::<u8>(), 0..200),
            mutations in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let _ = GrpcMethods::from_file_descriptor_sets(&[&random]);
            let mut mutated = HEALTH.to_vec();
            for (index, byte) in mutations {
                mutated[index.index(HEALTH.len())] = byte;
            }
            // A mutated set may be valid. Then its methods have a service and a name.
            let mut methods = Vec::new();
            if read(&mutated, &mut methods).is_ok() {
                for path in methods {
                    let (service, name) = path.rsplit_once('/').expect("two parts");
                    prop_assert!(service.len() > 1 && !name.is_empty(), "{path:?}");
                }
            }
        }
    }
}
