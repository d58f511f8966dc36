"""Check the inputs, outputs and attributes of ONNX nodes against the operators' schemas."""

from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError

from ...graph.expression import plain

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["Schemas"]

_DEFAULT = ("", "ai.onnx")


class Schemas:
    """The operator schemas for one model.

    Args:
        model: its opset selects the version of each schema.

    Raises:
        ArtifactError: the model declares an opset twice for one domain.
    """

    def __init__(self, model: "ModelProto") -> None:
        domains = [entry.domain if entry.domain not in _DEFAULT else "" for entry in model.opset_import]
        if len(set(domains)) != len(domains):
            raise ArtifactError("It names the version of its operators twice.")
        self._version = next((each.version for each in model.opset_import if each.domain in _DEFAULT), 0)
        self._found: dict[str, Any] = {}

    def require(self, node: "NodeProto") -> None:
        """Check a node against its operator's schema.

        Raises:
            ArtifactError: the domain or operator is unknown, the number of inputs or outputs is wrong, a required input
                is empty, or an attribute is unknown or occurs twice.
        """
        name = plain(node.op_type)
        if node.domain not in _DEFAULT:
            raise ArtifactError(f"{name} is an operator of the domain {plain(node.domain)}; lenetx writes ONNX's only.")
        schema = self._schema(node.op_type)
        if schema is None:
            raise ArtifactError(f"{name} is not an operator of ONNX's opset {self._version}.")
        fits = schema.min_input <= len(node.input) <= schema.max_input
        if not fits or not 1 <= len(node.output) <= schema.max_output:
            raise ArtifactError(f"{name} has {len(node.input)} inputs and {len(node.output)} outputs.")
        for place, given in enumerate(node.input):
            if not given and not _is_optional(schema, place):
                raise ArtifactError(f"{name} lacks an input: number {place + 1} of {len(node.input)} is empty.")
        attributes = [attribute.name for attribute in node.attribute]
        if len(set(attributes)) != len(attributes):
            raise ArtifactError(f"{name} has two attributes of one name.")
        if strange := set(attributes) - set(schema.attributes):
            raise ArtifactError(f"{name} has an attribute {plain(min(strange))}, which the operator does not have.")

    def _schema(self, name: str) -> Any:
        from onnx import defs

        if name not in self._found:
            try:
                self._found[name] = defs.get_schema(name, self._version, "")
            except Exception:  # SchemaError, and other errors if a version is out of range
                self._found[name] = None
        return self._found[name]


def _is_optional(schema: Any, place: int) -> bool:
    from onnx import defs

    option = schema.inputs[min(place, len(schema.inputs) - 1)].option
    return bool(option == defs.OpSchema.FormalParameterOption.Optional)
